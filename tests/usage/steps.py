"""Logs for the naive model: lists of steps that Hypothesis draws."""

from typing import Any

from hypothesis import strategies as st

from usage.model import KINDS

TENANTS = ("t1", "t2")
ZONES = ("UTC", "Asia/Kolkata", "Europe/Berlin", "America/New_York")
NO_ZONE = "Mars/Olympus"
# Few ids make commands that come again.
COMMANDS = ("", "", "c1", "c2")

Step = dict[str, Any]

# Near the bounds of periods and of the grace of 24 hours, where mistakes would be.
ago = st.one_of(
    st.integers(-59, 90),
    st.sampled_from([24 * 60 + m for m in (-60, -1, 0, 1, 30)]),
    st.integers(0, 60 * 24 * 40),
)


def do(what: str, **fields: Any) -> st.SearchStrategy[Step]:
    """One step of a log; a value that is no strategy is one of its elements."""
    return st.fixed_dictionaries(
        {
            "do": st.just(what),
            **{
                name: choice if isinstance(choice, st.SearchStrategy) else st.sampled_from(choice)
                for name, choice in fields.items()
            },
        }
    )


def logs(
    *steps: st.SearchStrategy[Step], passed: st.SearchStrategy[int]
) -> st.SearchStrategy[list[tuple[int, Step]]]:
    """Lists of (minutes since the step before, step)."""
    return st.lists(st.tuples(passed, st.one_of(*steps)), min_size=15, max_size=45)


call = do(
    "call",
    tenant=TENANTS,
    ago=ago,
    provider=("openai", "x"),
    model=("m1", "m2"),
    agent=("", "a1"),
    cost_attribution=("", "p"),
    cluster=("", "eu-1"),
    computed=(None, "0", "0.000000001", "7", "12.5", "50"),
    reported=(None, None, None, "0", "3.3"),
    input_tokens=(0, 10, 2**53),
    output_tokens=st.integers(0, 9),
)
zone = do("zone", tenant=TENANTS, event=COMMANDS, zone=(*ZONES, NO_ZONE))
budget = do(
    "set",
    tenant=TENANTS,
    event=COMMANDS,
    name=("default", "b1", "b2"),
    limit=("0", "10", "12.5", "40", "100"),
    period=KINDS,
    zone=ZONES[:2],
    thresholds=([50, 80, 100], [50, 100], [120], [100, 50, 50]),
    scope=({}, {"model": "m1"}, {"agent": ""}, {"provider": "x", "cluster": "eu-1"}),
)
delete = do("delete", tenant=TENANTS, event=COMMANDS, name=("default", "b1", "b2"))
price = do(
    "price",
    tenant=TENANTS,
    event=COMMANDS,
    ago=ago,
    provider=("openai", "x"),
    model=("m1", "m2"),
    read=("0", "2.5", "0.000000001"),
    written=("10", "0.000123457"),
    cached=("0", "1.25"),
)
adjust = do(
    "adjust",
    tenant=TENANTS,
    event=COMMANDS,
    ago=ago,
    amount=("-7.5", "0", "30", "0.000000001"),
    model=("", "m1"),
    cost_attribution=("", "p"),
)
config = do("config", grace=(1, 24), default=("100", "20"))
# They move the time, and must do nothing else.
quiet = do("quiet", body=("tick", "refusal"))

# The same few periods again and again, so that what depends on order is met.
spending = do(
    "call",
    tenant=("t1",),
    ago=st.sampled_from((0, 0, 60, 24 * 60)),
    model=("m1",),
    computed=("1", "5", "7", "10"),
)
change = do(
    "set",
    tenant=("t1",),
    name=("default",),
    limit=("10", "20", "40"),
    period=("day", "day", "day", "hour"),
    zone=("UTC", "UTC", "UTC", "Asia/Kolkata"),
    thresholds=([50, 80, 100], [50, 80, 100], [50, 100]),
    scope=({}, {}, {}, {"model": "m1"}),
)
undo = do("delete", tenant=("t1",), name=("default",))
moved = do(
    "call",
    tenant=("t1",),
    ago=st.sampled_from((-59, 0, 15, 30, 45, 60, 90, 300, 1_000, 1_440, 10_000, 40_000)),
    model=("m1",),
    computed=("1",),
)
rezone = do("zone", tenant=("t1",), zone=ZONES)
unpriced = do(
    "call",
    tenant=("t1",),
    ago=st.just(0),
    provider=("openai", "x"),
    model=("m1", "m2"),
    computed=(None,),
)
command = do("zone", tenant=("t1",), event=("c1", "c2", "c3"), zone=ZONES[:2])

LOGS = {
    "everything": logs(
        *(call, call, call, budget, delete, zone, price, adjust, config, quiet),
        passed=st.integers(0, 40 * 60),
    ),
    "budgets": logs(
        spending, spending, change, undo, passed=st.sampled_from((0, 0, 1, 60, 24 * 60, 30 * 60))
    ),
    "zones": logs(
        moved, moved, moved, rezone, passed=st.sampled_from((0, 15, 30, 60, 300, 2_000, 20_000))
    ),
    # A month, in which records of commands and alerts grow old.
    "kept": logs(
        unpriced, command, passed=st.sampled_from((0, 0, 60, 12 * 60, 10 * 1_440, 16 * 1_440))
    ),
}
