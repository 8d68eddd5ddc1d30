"""Reservations: what is granted, what is held, what is spent, each once; and a naive model."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from streams.core.errors import ApiError
from streams.core.fold import Output
from streams.core.log import BudgetReserve, BudgetSettle, Tick
from streams.core.money import NANO
from streams.core.time import HOUR, SECOND
from streams.usage.alerts import CROSSED, EXCEEDED
from streams.usage.read import budgets, reservation
from streams.usage.reservations import KEPT
from streams.usage.rows import HeldUntilRow, ReservationDueRow, ReservationRow
from usage.memory_view import MemoryView
from usage.writer import Writer, refolded, told

LIMIT = 10


class Holder(Writer):
    """A log with a daily budget of 10 USD."""

    def __init__(self, now: str = "2026-03-02T12") -> None:
        super().__init__(now=now)
        self.budget(f"{LIMIT}", budget_id="b", thresholds=[100], forecast=False)

    def reserve(
        self, name: str, usd: float, *, ttl: int = 60, budget: str = "b"
    ) -> dict[str, Any] | None:
        """Ask for some; the answer, None for 404."""
        self.append(BudgetReserve(name, budget, int(usd * NANO), ttl))
        return self.shown(name)

    def settle(self, name: str, usd: float, **rest: Any) -> list[Output]:
        return self.append(BudgetSettle(name, int(usd * NANO)), **rest)

    def shown(self, name: str) -> dict[str, Any] | None:
        try:
            return reservation(self.view, "t1", name, log_time=self.log_time)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def state(self, name: str) -> str | None:
        found = self.shown(name)
        return None if found is None else found["state"]

    def figures(self) -> tuple[str, str]:
        """Spent and held."""
        [item] = [
            item
            for item in budgets(self.view, "t1", log_time=self.log_time)
            if item["config"]["budget_id"] == "b"
        ]
        return item["spent_usd"], item["held_usd"]

    def pass_seconds(self, seconds: int) -> None:
        self.now += seconds * SECOND
        self.append(Tick(), tenant="")


def test_pitfall_1_askers_cannot_overshoot() -> None:
    """Pitfall 1: overshoot under concurrency. Whatever is asked at once is decided in turn."""
    log = Holder()
    answers = [log.reserve(f"r{n}", 3) for n in range(5)]
    granted = [answer for answer in answers if answer and answer["granted"]]
    assert [answer["left_usd"] for answer in granted] == ["7", "4", "1"]
    assert log.figures() == ("0", "9")
    assert log.reserve("last", 1.000000001)["granted"] is False  # type: ignore[index]
    assert log.reserve("fits", 1)["left_usd"] == "0"  # type: ignore[index]
    # The same figure, as spend: what is spent is not free for others either.
    for n in range(3):
        log.settle(f"r{n}", 3)
    assert log.figures() == ("9", "1")
    assert log.reserve("more", 0.1)["granted"] is False  # type: ignore[index]


def test_pitfall_2_leaked_reservations_come_back() -> None:
    """Pitfall 2: leaked reservations. Gone for the next asker at once, without any sweep."""
    log = Holder()
    log.reserve("leaked", 10, ttl=60)
    log.now += 60 * SECOND - 1
    assert log.reserve("early", 1)["granted"] is False  # type: ignore[index]
    log.now += 1
    assert log.reserve("later", 10)["granted"] is True  # type: ignore[index]
    assert log.state("leaked") == "expired"
    assert log.figures() == ("0", "10")
    # Too late to settle: 404, and nothing is counted.
    assert log.settle("leaked", 5) == []
    assert (log.state("leaked"), log.figures()) == ("expired", ("0", "10"))


def test_pitfall_2_a_settle_is_idempotent() -> None:
    """Pitfall 2: settle twice = once, also after its time, whatever the amount says."""
    log = Holder()
    log.reserve("r", 5)
    log.settle("r", 4)
    first = log.shown("r")
    assert first is not None
    assert (first["state"], first["settled_usd"], first["left_usd"]) == ("settled", "4", "6")
    for seconds, amount in ((0, 4), (1, 9), (100, 4)):
        log.pass_seconds(seconds)
        log.settle("r", amount)
        assert log.shown("r") == first
    assert log.figures() == ("4", "0")


def test_pitfall_3_asking_again_changes_nothing() -> None:
    """Pitfall 3: non-idempotent reseed. The same id has the same answer, held once."""
    log = Holder()
    first = log.reserve("r", 6)
    for _ in range(3):
        assert log.reserve("r", 6) == first
    assert log.figures() == ("0", "6")
    refused = log.reserve("big", 7)
    log.settle("r", 0)
    assert log.reserve("big", 7) == refused


def test_pitfall_5_a_new_period_begins_with_nothing_spent() -> None:
    """Pitfall 5: stale counter after reset. What is still held is held in the new period too."""
    log = Holder(now="2026-03-02T23:59:30")
    log.call("8")
    assert log.reserve("old", 2)["left_usd"] == "0"  # type: ignore[index]
    log.now += 30 * SECOND
    assert log.reserve("new", 8)["left_usd"] == "0"  # type: ignore[index]
    assert log.figures() == ("0", "10")


def test_a_settle_fires_alerts_and_counts_in_full() -> None:
    log = Holder()
    log.reserve("r", 1)
    assert told(log.settle("r", 11)) == [(CROSSED, 100), (EXCEEDED, None)]
    assert log.figures() == ("11", "0")
    found = log.shown("r")
    assert found is not None
    assert found["left_usd"] == "-1"
    assert log.reserve("none", 0)["granted"] is False  # type: ignore[index]


@pytest.mark.parametrize("order", [("usage", "settle"), ("settle", "usage")])
@pytest.mark.parametrize(
    ("cost", "amount", "spent"), [("3", 3, "3"), ("3", 2, "3"), ("3", 4, "4"), ("3", 0, "3")]
)
def test_usage_that_names_its_reservation_is_counted_once(
    order: tuple[str, str], cost: str, amount: int, spent: str
) -> None:
    """The larger of both, in any order; elsewhere usage counts in full."""
    log = Holder()
    log.budget("100", budget_id="all", forecast=False)
    log.reserve("r", 5)
    for what in order:
        if what == "usage":
            log.call(cost, reservation="r")
        else:
            log.settle("r", amount)
    assert log.figures() == (spent, "0")
    all_ = budgets(log.view, "t1", log_time=log.log_time)[0]
    assert (all_["config"]["budget_id"], all_["spent_usd"]) == ("all", cost)


def test_usage_shrinks_what_is_held_for_it() -> None:
    log = Holder()
    log.reserve("r", 5)
    for spent, held in (("2", "3"), ("4", "1"), ("6", "0"), ("8", "0")):
        log.call("2", reservation="r")
        assert log.figures() == (spent, held)
    log.settle("r", 9)
    assert log.figures() == ("9", "0")


@pytest.mark.parametrize("name", ["", "none", "refused", "expired", "other"])
def test_usage_of_no_open_reservation_counts_in_full(name: str) -> None:
    log = Holder()
    log.reserve("refused", 11)
    log.reserve("expired", 1, ttl=1)
    log.budget("10", budget_id="scoped", scope={"agent": "a"})
    log.reserve("other", 1, budget="scoped")
    log.pass_seconds(2)
    log.call("3", reservation=name)
    assert log.figures() == ("3", "0")


def test_a_budget_that_is_not_there_holds_nothing() -> None:
    log = Holder()
    assert log.reserve("r", 1, budget="none") is None
    log.reserve("r", 1)
    log.delete("b")
    assert log.reserve("s", 1) is None
    assert log.settle("r", 1) == []
    assert log.state("r") == "settled"


def test_the_default_budget_is_reserved_from_before_its_first_call() -> None:
    log = Writer()
    log.append(BudgetReserve("r", "default", 30 * NANO, 60))
    log.append(BudgetSettle("r", 20 * NANO))
    [item] = budgets(log.view, "t1", log_time=log.log_time)
    assert (item["spent_usd"], item["held_usd"]) == ("20", "0")


def test_what_is_kept_goes_after_a_day() -> None:
    """And the work of one record stays bounded, also where a thousand came back at once."""
    log = Holder()
    for n in range(1_000):
        log.reserve(f"r{n}", 0.001, ttl=60 + n)
    log.now += 2_000 * SECOND
    log.view.changes = 0
    assert log.reserve("next", 10)["granted"] is True  # type: ignore[index]
    assert log.view.changes < 100
    log.now += KEPT + HOUR
    ticks = 0
    while next(log.view.scan(ReservationRow, ReservationRow.kind), None) is not None:
        log.view.changes = 0
        log.pass_seconds(1)
        assert log.view.changes < 400
        ticks += 1
    assert ticks == 26
    assert [*log.view.scan(HeldUntilRow, HeldUntilRow.kind)] == []
    assert [*log.view.scan(ReservationDueRow, ReservationDueRow.kind)] == []
    assert log.reserve("r1", 10)["granted"] is True  # type: ignore[index]


NAMES = st.sampled_from([f"r{n}" for n in range(6)])
AMOUNTS = st.sampled_from((0, 1, 3, 4, 9, 11))


class Machine(RuleBasedStateMachine):
    """Any asking, spending and waiting, beside a model of plain dicts."""

    @initialize()
    def begin(self) -> None:
        self.log = Holder()
        self.asked: dict[str, dict[str, Any]] = {}
        self.plain = 0

    def held(self) -> int:
        now = self.log.now
        return sum(
            max(0, one["amount"] - one["reported"])
            for one in self.asked.values()
            if one["granted"] and one["settled"] is None and now < one["due"]
        )

    def spent(self) -> int:
        ones = self.asked.values()
        return self.plain + sum(max(one["settled"] or 0, one["reported"]) for one in ones)

    @rule(name=NAMES, amount=AMOUNTS, ttl=st.sampled_from((1, 60, 61)))
    def reserve(self, name: str, amount: int, ttl: int) -> None:
        if name not in self.asked:
            left = LIMIT - self.spent() - self.held()
            granted = amount <= left
            due = -(-(self.log.now + ttl * SECOND) // SECOND) * SECOND
            self.asked[name] = {"amount": amount, "due": due, "granted": granted}
            self.asked[name] |= {"settled": None, "reported": 0}
            self.asked[name]["left"] = left - amount if granted else left
        found = self.log.reserve(name, amount, ttl=ttl)
        assert found is not None
        assert found["granted"] is self.asked[name]["granted"]
        if found["settled_usd"] is None:
            assert found["left_usd"] == str(self.asked[name]["left"])

    @rule(name=NAMES, amount=AMOUNTS)
    def settle(self, name: str, amount: int) -> None:
        one = self.asked.get(name)
        open_ = one is not None and one["granted"] and one["settled"] is None
        if one is not None and open_ and self.log.now < one["due"]:
            one["settled"] = amount
        self.log.settle(name, amount)
        expected = None if one is None or one["settled"] is None else str(one["settled"])
        found = self.log.shown(name)
        assert (None if found is None else found["settled_usd"]) == expected

    @rule(name=st.one_of(st.just(""), NAMES), cost=AMOUNTS)
    def usage(self, name: str, cost: int) -> None:
        one = self.asked.get(name)
        if one is not None and one["granted"]:
            one["reported"] += cost
        else:
            self.plain += cost
        self.log.call(str(cost), reservation=name)

    @rule(micros=st.sampled_from((1, SECOND // 2, SECOND, 59 * SECOND, 60 * SECOND)))
    def wait(self, micros: int) -> None:
        self.log.now += micros
        self.log.append(Tick(), tenant="")

    @invariant()
    def figures_agree(self) -> None:
        if hasattr(self, "log"):
            assert self.log.figures() == (str(self.spent()), str(self.held()))

    def teardown(self) -> None:
        """In one piece the same log gives the same rows."""
        if hasattr(self, "log"):
            again = MemoryView()
            assert refolded(again, self.log.entries) == self.log.outputs
            assert again.encoded() == self.log.view.encoded()


TestReservations = Machine.TestCase
TestReservations.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
