"""LoCoMo as memories: one tenant a conversation, one memory a turn, and its questions."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple


class Turn(NamedTuple):
    """One memory: speaker, text and image caption."""

    session: str
    at: int
    """When the session was, microseconds."""
    content: str


class Question(NamedTuple):
    text: str
    evidence: tuple[int, ...]
    """Turns that hold the answer, by place in the conversation."""
    category: int


class Conversation(NamedTuple):
    id: str
    turns: list[Turn]
    questions: list[Question]
    """Those whose evidence names a turn that there is."""


def read(path: Path) -> list[Conversation]:
    """Conversations of a file (or of the one .json file in a folder)."""
    if path.is_dir():
        [path] = path.glob("*.json")
    return [_conversation(each) for each in json.loads(path.read_text())]


def _conversation(raw: dict[str, Any]) -> Conversation:
    turns, places = [], {}
    for session, at, turn in _turns(raw["conversation"]):
        places[turn["dia_id"]] = len(turns)
        caption = f" [{turn['blip_caption']}]" if turn.get("blip_caption") else ""
        turns.append(Turn(session, at, f"{turn['speaker']}: {turn['text']}{caption}"))
    questions = [
        Question(each["question"], tuple(sorted(evidence)), each["category"])
        for each in raw["qa"]
        if (evidence := {places[e] for e in each["evidence"] if e in places})
    ]
    return Conversation(raw["sample_id"], turns, questions)


def _turns(conversation: dict[str, Any]) -> Iterator[tuple[str, int, dict[str, Any]]]:
    numbers = sorted(int(key.split("_")[1]) for key in conversation if key.endswith("_date_time"))
    for number in numbers:
        session = f"session_{number}"
        when = datetime.strptime(conversation[f"{session}_date_time"], "%I:%M %p on %d %B, %Y")
        at = int(when.replace(tzinfo=UTC).timestamp()) * 1_000_000
        for turn in conversation.get(session, []):
            yield session, at, turn
