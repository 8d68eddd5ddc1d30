from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from streams.cli.digest import Partition, compare
from streams.settings import Settings

BODY = (
    b'{"items":[{"topic":"tenant.log.v1","partition":0,"worker":"w","url":"u","state":"running",'
    b'"offset":41,"rows":7,"digest":"ab"},{"topic":"tenant.log.v1","partition":1,'
    b'"state":"unowned","offset":-1,"rows":null,"digest":null}],"next":null,'
    b'"control":{"topic":"tenant.control.v1","partition":0,"offset":3,"rows":2,"digest":"ef"}}'
)


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


@pytest.mark.parametrize(("rebuilt", "code"), [({0: "ab", 1: "cd"}, 0), ({0: "ab", 1: "x"}, 1)])
def test_a_changelog_that_gives_another_digest_is_a_failure(
    api: Any,
    streams: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    rebuilt: dict[int, str],
    code: int,
) -> None:
    asked = []

    def rebuild(settings: Settings, topic: str, partition: int) -> str:
        asked.append((settings.kafka, topic, partition))
        return "ef" if topic == "tenant.control.v1" else rebuilt[partition]

    monkeypatch.setattr("streams.runtime.rebuild.rebuild", rebuild)
    api.answers = [(200, BODY.replace(b'null,"digest":null', b'9,"digest":"cd"'))]
    ran = streams("digest", "--rebuild", "--kafka", "k:1", "--json")
    assert ran.code == code
    log = "tenant.log.v1"
    assert asked == [("k:1", log, 0), ("k:1", log, 1), ("k:1", "tenant.control.v1", 0)]
    assert [each["same"] for each in msgspec.json.decode(ran.out)] == [True, code == 0, True]
    assert ("tenant.log.v1[1]" in ran.err) == (code == 1)


def test_a_partition_without_a_digest_is_never_the_same() -> None:
    compared = compare(Settings(), [Partition("t", 0, -1)], lambda *_: "ab")
    assert not compared[0].same
