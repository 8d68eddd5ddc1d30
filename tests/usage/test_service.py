"""Configuration, ticks, and what is known of refused records."""

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.log import Origin, Refusal, Tick
from streams.core.time import DAY, HOUR
from streams.usage.read import refusal
from streams.usage.rows import CONFIG_KEY, ConfigRow, RefusedRow
from usage.writer import Writer

PLACES = [(topic, partition) for topic in ("a.v1", "a.v10") for partition in (0, 1)]


def test_a_tick_changes_nothing() -> None:
    log = Writer()
    log.call("1")
    # The first one notes what the partition holds of the shared memory.
    log.append(Tick())
    before = log.view.encoded()
    assert log.tick("2026-04-01") == []
    assert log.view.encoded() == before


def test_the_last_configuration_stands() -> None:
    log = Writer()
    log.config(grace_hours=1)
    log.config(grace_hours=2, default_budget="7")
    assert log.view.get(ConfigRow, CONFIG_KEY) == ConfigRow(24, 2, 7_000_000_000, "2026.6")


def test_a_refusal_is_told_to_its_tenant_alone() -> None:
    log = Writer()
    log.call("1")
    log.refuse("schema")
    place = ("agent.messages.v1", 0, 1)
    assert refusal(log.view, "t1", *place) == "schema"
    assert refusal(log.view, "t2", *place) is None
    for other in (
        ("agent.messages.v1", 0, 0),
        ("agent.messages.v1", 1, 1),
        ("tenant.commands.v1", 0, 1),
    ):
        assert refusal(log.view, "t1", *other) is None


def test_refusals_go_after_a_day_a_few_at_a_time() -> None:
    log = Writer()
    for _ in range(250):
        log.refuse("schema")
    log.now += 24 * 3_600_000_000 + 1
    sizes = []
    for _ in range(4):
        log.refuse("schema", tenant="t2")
        sizes.append(len(list(log.view.scan(RefusedRow, RefusedRow.kind))))
    assert sizes == [151, 52, 3, 4]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from((0, 1, HOUR, DAY - 1, DAY)),
            st.sampled_from(PLACES),
            st.sampled_from(("t1", "t2")),
            st.integers(1, 3),
            # Now and then the topic is made anew.
            st.integers(0, 5).map(lambda n: n == 0),
        ),
        max_size=30,
    )
)
def test_what_was_refused_within_a_day_is_known(
    refusals: list[tuple[int, tuple[str, int], str, int, bool]],
) -> None:
    log = Writer()
    ends = dict.fromkeys(PLACES, (0, 0))
    refused: dict[tuple[str, int, int], tuple[str, str, int]] = {}
    for number, (passed, place, tenant, skipped, anew) in enumerate(refusals):
        log.now += passed
        incarnation, end = ends[place]
        if anew:
            incarnation, end = incarnation + 1, 0
            refused = {key: known for key, known in refused.items() if key[:2] != place}
        offset = end + skipped
        ends[place] = incarnation, offset
        code = f"code {number}"
        origin = Origin(place[0], incarnation, place[1], offset)
        log.append(Refusal(code), tenant=tenant, origin=origin)
        refused[(*place, offset)] = tenant, code, log.now
    for place in PLACES:
        for offset in range(ends[place][1] + 4):
            owner, code, at = refused.get((*place, offset), ("", "", 0))
            for tenant in ("t1", "t2"):
                found = refusal(log.view, tenant, *place, offset)
                # One that is past its day may be there still.
                expected = {code if owner == tenant else None}
                if log.now - at > DAY:
                    expected.add(None)
                assert found in expected
