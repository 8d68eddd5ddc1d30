"""What is said of stops, from the times at which partitions advanced."""

from streams.settings import Settings
from tests.faults.watch import Watch


def watched(*times: list[float]) -> Watch:
    watch = Watch(Settings(partitions=len(times)))
    watch.advances = {
        p: [(at, offset) for offset, at in enumerate(seen)] for p, seen in enumerate(times)
    }
    return watch


def test_the_longest_gap_of_any_partition_counts() -> None:
    watch = watched([9.0, 10.5, 11.0, 14.0, 16.0], [10.1, 12.0, 15.5])
    assert watch.gap(since=10.0, settled=15.0) == 3.5


def test_what_went_on_before_all_was_settled_only_says_nothing_yet() -> None:
    watch = watched([10.5, 16.0], [10.1, 10.2])
    assert watch.gap(since=10.0, settled=15.0) is None
    assert [tp.partition for tp in watch.stuck(15.0)] == [1]


def test_a_partition_that_never_advanced_is_stuck() -> None:
    watch = watched([], [16.0])
    assert watch.gap(since=10.0, settled=15.0) is None
    assert [tp.partition for tp in watch.stuck(15.0)] == [0]


def test_the_first_advance_of_some_partitions() -> None:
    watch = watched([9.0, 16.0], [10.1, 12.0, 15.5], [11.0])
    assert watch.first({0, 1}, since=10.5) == 12.0
    assert watch.first({0}, since=10.5) == 16.0
    assert watch.first({2}, since=11.0) is None
