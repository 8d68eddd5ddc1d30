"""Which files a snapshot uploads, and when it has to settle."""

import pytest

from streams.core.time import HOUR, SECOND
from streams.snapshots.garbage import SETTLE, YOUNG
from streams.snapshots.manifest import File
from streams.snapshots.upload import Held, LocalFile, plan_upload

from .manifests import file, manifest

NOW = 1_000 * HOUR
OLD = NOW - 10 * HOUR
FRESH = NOW - HOUR


@pytest.mark.parametrize(
    ("written", "stored", "named", "upload", "settle"),
    [
        pytest.param(FRESH, None, False, True, False, id="new"),
        pytest.param(FRESH, FRESH, False, False, False, id="uploaded by a try that failed"),
        pytest.param(OLD, OLD, True, False, False, id="long there and named"),
        pytest.param(OLD, None, True, True, True, id="named but lost"),
        pytest.param(OLD, None, False, True, True, id="first snapshot of an old database"),
        pytest.param(OLD, OLD, False, True, True, id="comes back when it may be deleted"),
        pytest.param(OLD, NOW - SETTLE, False, False, False, id="came back long enough ago"),
        pytest.param(OLD, NOW - SETTLE + SECOND, False, True, True, id="came back just now"),
        pytest.param(OLD, NOW - YOUNG, False, True, True, id="came back too long ago"),
    ],
)
def test_what_is_uploaded(
    written: int, stored: int | None, named: bool, upload: bool, settle: bool
) -> None:
    one = file("a")
    newest = manifest(files=(one,)) if named else manifest(files=(file("b"),))
    held = {} if stored is None else {"a": Held(stored, 1)}
    plan = plan_upload([LocalFile(one, written)], newest, held, NOW)
    assert plan.upload == ((one,) if upload else ())
    assert plan.settle == settle


def test_what_settled_in_this_upload_is_not_written_again() -> None:
    local = LocalFile(file("a"), OLD)
    held = {"a": Held(NOW - SETTLE + SECOND, 1)}
    assert plan_upload([local], None, held, NOW, settled={"a"}).upload == ()
    assert plan_upload([local], None, {}, NOW, settled={"a"}).upload == (local.file,)


def test_an_object_of_another_size_is_written_again() -> None:
    local = LocalFile(file("a", size=5), FRESH)
    assert plan_upload([local], None, {"a": Held(FRESH, 4)}, NOW).upload == (local.file,)


def test_a_line_stands_in_the_manifest_and_one_content_goes_up_once() -> None:
    line = LocalFile(File("CURRENT", "c", 2, "x\n"), 0)
    twice = [LocalFile(file("a", name), FRESH) for name in ("1.sst", "2.sst")]
    plan = plan_upload([line, *twice], None, {}, NOW)
    assert plan.upload == (twice[0].file,)
    assert not plan.settle
