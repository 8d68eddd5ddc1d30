"""One log, one digest: whatever the hash seed, the environment, and where chunks are cut.

It guards the rules of DESIGN.md section 3: a fold that iterates over a set, asks the clock, a
setting or a cache, or a store whose rows depend on where a chunk ends, fails here.
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.refold import WAYS, Story, Way, refold
from agents.whole_log import Inputs, Raw, azure_log, kinds, whole_log
from streams.agents.fold import FOLDS, ROWS
from streams.core import log
from streams.core.log import Config, Tick
from streams.core.money import NANO
from streams.core.time import HOUR
from streams.topology import AGENT_MESSAGES

ROOT = Path(__file__).parents[2]
SEED, SIZE = 1, 2_000
WHOLE, AZURE = "the whole log", "the Azure trace"

# A process each: its hash seed, its time zone and settings, and what it folds.
PROCESSES: list[tuple[dict[str, str], list[tuple[str, str]]]] = [
    (
        {"PYTHONHASHSEED": "0", "TZ": "UTC"},
        [
            (WHOLE, "in 250s"),
            (WHOLE, "joined, on empty disks"),
            (WHOLE, "in 4,000s, cut by the clock"),
            (AZURE, "in 250s"),
        ],
    ),
    (
        {"PYTHONHASHSEED": "1", "TZ": "Asia/Kolkata", "STREAMS_DEFAULT_BUDGET_USD": "7"},
        [
            (WHOLE, "one by one"),
            (WHOLE, "in 250s, nothing cached, on empty disks"),
        ],
    ),
    (
        {"PYTHONHASHSEED": "4711", "STREAMS_DEDUPE_HOURS": "3", "STREAMS_GRACE_HOURS": "0"},
        [
            (WHOLE, "in 4,000s"),
            (WHOLE, "in 7s, opened anew"),
            (WHOLE, "joined in the inbox, opened anew"),
            (AZURE, "in 4,000s"),
        ],
    ),
]


@pytest.fixture(scope="module")
def logs(azure_trace: Path) -> dict[str, list[Raw]]:
    return {WHOLE: whole_log(SEED, SIZE), AZURE: azure_log(azure_trace)}


@pytest.fixture(scope="module")
def stories(
    logs: dict[str, list[Raw]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Story]]:
    """What each way of folding came to, by log and way."""
    folder = tmp_path_factory.mktemp("refold")
    for name, records in logs.items():
        (folder / name).write_bytes(msgspec.msgpack.encode(records))
    running = []
    for environ, wanted in PROCESSES:
        command = [sys.executable, "-m", "agents.refold", str(folder)]
        command += [word for pair in wanted for word in pair]
        path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
        environ = os.environ | environ | {"PYTHONPATH": path}
        running.append(subprocess.Popen(command, env=environ))
    assert [process.wait() for process in running] == [0] * len(running)
    found: dict[str, dict[str, Story]] = {name: {} for name in logs}
    for _, wanted in PROCESSES:
        for name, way in wanted:
            told = (folder / f"{name}, {way}").read_bytes()
            found[name][way] = msgspec.msgpack.decode(told, type=Story)
    return found


def differences(found: Sequence[Any], expected: Sequence[Any]) -> list[tuple[int, Any, Any]]:
    """The first places where two sequences differ."""
    pairs = enumerate(zip_longest(found, expected))
    return [(at, one, other) for at, (one, other) in pairs if one != other][:3]


def assert_same(found: Story, expected: Story) -> None:
    assert differences(found.outputs, expected.outputs) == []
    assert differences(found.rows, expected.rows) == []
    assert differences(found.positions, expected.positions) == []
    assert differences(found.identities, expected.identities) == []
    assert found.digest == expected.digest


@pytest.mark.parametrize("name", WAYS)
def test_one_log_comes_to_one_state_and_the_same_outputs(
    stories: dict[str, dict[str, Story]], name: str
) -> None:
    assert_same(stories[WHOLE][name], stories[WHOLE]["in 250s"])


def test_a_real_trace_too(stories: dict[str, dict[str, Story]]) -> None:
    first, second = stories[AZURE].values()
    assert_same(first, second)
    assert len(first.identities) == 8_819


def test_the_log_has_all_that_can_happen(
    logs: dict[str, list[Raw]], stories: dict[str, dict[str, Story]]
) -> None:
    """Else the test above would show less than it says."""
    records, story = logs[WHOLE], stories[WHOLE]["in 250s"]
    assert set(kinds(records)) == set(FOLDS)
    assert {key[:2] for key, _ in story.rows} == {row.kind for row in ROWS}
    types = Counter(dict(headers).get("ce_type") for *_, headers in story.outputs)
    assert types > Counter(
        {
            b"budget.threshold.crossed": 100,
            b"budget.exceeded": 100,
            b"budget.recovered": 20,
            b"budget.forecast.exceeded": 20,
            b"budget.corrected": 20,
            b"usage.unpriced": 50,
            b"event.late": 100,
            b"budget.set": 50,
            b"budget.deleted": 10,
            b"tenant.set": 10,
            b"state.set": 40,
            b"hold.set": 5,
            b"hold.released": 5,
            b"retention.set": 5,
            b"memory.erased": 2,
            b"memory.record": 100,
            b"memory.expired": 2,
            b"memory.pruned": 10,
            b"memory.consolidated": 20,
            b"memory.split": 2,
            b"quota.rejected": 20,
            b"quota.threshold.crossed": 5,
            b"quota.critical.overflow": 1,
            b"state.deleted": 5,
        }
    )
    decoded = [log.decode(raw.value) for raw in records]
    origins = [record.origin for record in decoded if record.origin is not None]
    events = [(r.tenant, r.source, r.id) for r in decoded if r.id and r.source]
    assert len(origins) - len(set(origins)) > 50
    assert len(events) - len(set(events)) > 100
    late = [raw for raw, before in zip(records[1:], records, strict=False) if raw[1] < before[1]]
    assert len(late) > 100


async def test_a_wider_window_forgets_what_the_narrower_one_let_go(tmp_path: Path) -> None:
    """Found by hand: whether the entry was still there depended on the chunks and on the disk."""
    inputs = Inputs(0)
    usage = {"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 5}
    inputs.write("", Config(1, 24, NANO, ""))
    inputs.event(AGENT_MESSAGES, "t1", "agent.message", {"usage": usage})
    inputs.now += 5 * HOUR // 2
    inputs.write("", Tick())
    inputs.write("", Config(24, 24, NANO, ""))
    inputs.now += HOUR // 2
    inputs.again()
    ways = [Way(sizes=(9,)), Way(sizes=(1,)), Way(sizes=(1,), every=1, wiped=True)]
    first, *others = [await refold(inputs.log, way, tmp_path / "state") for way in ways]
    for other in others:
        assert_same(other, first)
