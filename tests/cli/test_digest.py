"""`streams digest`: what it shows, and how it tells a comparison."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.cli.digest import told
from streams.runtime.comparing import Compared, Live
from streams.runtime.differences import Difference
from streams.settings import Settings

BODY = (
    b'{"items":[{"topic":"tenant.log.v1","partition":0,"worker":"w","url":"u","state":"running",'
    b'"offset":41,"rows":7,"digest":"ab"},{"topic":"tenant.log.v1","partition":1,'
    b'"state":"unowned","offset":-1,"rows":null,"digest":null}],"next":null,'
    b'"control":{"topic":"tenant.control.v1","partition":0,"offset":3,"rows":2,"digest":"ef"}}'
)
SAME = Compared("tenant.log.v1", 0, "ab", "ab", True, 41, "replay", 41)
OTHER = msgspec.structs.replace(SAME, rebuilt="cd", same=False)


def test_digests_are_shown(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(200, BODY)]
    ran = streams("digest")
    assert api.asked[0].path == "/v1/partitions?digest=true"
    assert ran.out.splitlines() == [
        "tenant.log.v1[0]  ab  offset 41  rows 7",
        "tenant.log.v1[1]  unowned  offset -1  rows None",
        "tenant.control.v1[0]  ef  offset 3  rows 2",
    ]
    assert streams("digest", "--json").out == BODY.decode() + "\n"


@pytest.mark.parametrize(("found", "code"), [(SAME, 0), (OTHER, 1)])
def test_one_that_differs_is_a_failure(
    api: Any,
    streams: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    found: Compared,
    code: int,
) -> None:
    asked: list[Any] = []

    async def compare(
        settings: Settings, beside: str, folder: Path | None, ask: Callable[[], list[Live]]
    ) -> list[Compared]:
        asked.append((settings.kafka, beside, folder, ask()))
        return [found]

    monkeypatch.setattr("streams.runtime.comparing.compare", compare)
    api.answers = [(200, BODY)]
    ran = streams("digest", "--data", str(tmp_path), "--kafka", "k:1", "--json")
    assert ran.code == code
    live = [
        Live("tenant.log.v1", 0, "w", 41, "ab", "running"),
        Live("tenant.log.v1", 1, "", -1, None, "unowned"),
        Live("tenant.control.v1", 0, "", 3, "ef", ""),
    ]
    assert asked == [("k:1", "replay", tmp_path, live)]
    assert [each["same"] for each in msgspec.json.decode(ran.out)] == [code == 0]
    wrong = "streams: the replay gives another digest for tenant.log.v1[0]\n"
    assert ran.err == ("" if code == 0 else wrong)


def test_a_comparison_is_told_in_a_line() -> None:
    row = Difference("BudgetRow", "t1", "b", {"limit": 5}, None)
    differs = 'cd  BudgetRow of t1, b: live {"limit":5}, the other has none'
    lines = [
        (SAME, "same"),
        (msgspec.structs.replace(SAME, begun_at=7), "same, folded on from offset 7"),
        (msgspec.structs.replace(OTHER, difference=row), differs),
        (msgspec.structs.replace(OTHER, rebuilt=None, note="gone"), "not compared  gone"),
    ]
    for compared, text in lines:
        assert told(compared) == f"tenant.log.v1[0]  ab  offset 41  {text}"


def test_one_comparison_at_a_time(streams: Callable[..., Any]) -> None:
    ran = streams("digest", "--rebuild", "--snapshot")
    assert (ran.code, ran.err) == (
        2,
        "streams: --rebuild, --data and --snapshot exclude each other\n",
    )
