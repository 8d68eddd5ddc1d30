"""A log of all that can happen to one partition, made from a seed: what tests of replays fold.

Inputs go through admit, as in the real thing; ticks, configurations and what an older admit would
have let through are written as they are.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec

from agents.malformed import MALFORMED
from streams.agents.admit import Incoming, admit, marker
from streams.core import log
from streams.core.errors import Refused
from streams.core.log import (
    DEFAULT_CONFIG,
    Accessed,
    BudgetSet,
    Call,
    Content,
    ErasedFrom,
    ErasureReached,
    LeaseGiven,
    LeaseInquiry,
    LeaseRecalled,
    Message,
    Origin,
    QuotaGranted,
    QuotaRejected,
    Record,
    TenantSet,
    Tick,
    Vector,
)
from streams.core.money import NANO
from streams.core.time import DAY, HOUR, SECOND, format_time, parse_time
from streams.topology import AGENT_MESSAGES, CONTEXT_REQUESTS, JOB_EVENTS, TENANT_COMMANDS

START = parse_time("2026-03-02T12:00:00Z")
TENANTS = [f"t{n}" for n in range(9)] + ["Team-A.eu_1"]
MODELS = [("openai", "gpt-4o"), ("anthropic", "claude"), ("", "mystery"), ("openai", "")]
ZONES = ["UTC", "Asia/Kolkata", "Europe/Berlin", "America/New_York", "Pacific/Apia"]
# Minutes inside a day, hours inside the windows, and days so that kept entries grow old.
PASSED = [0, 1, 1_000, SECOND, 30 * SECOND, 5 * 60 * SECOND, HOUR // 2]
OPENLINEAGE = {
    "eventTime": "2026-03-02T11:00:00Z",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    "job": {"namespace": "t1", "name": "load"},
}
RUN_STATES = ("START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER")
MEMORIES = [f"m{n}" for n in range(12)]
SUBJECTS = ("customer-1", "customer-2")
CONTENT = Content("hi", 2, (), None, None, None, ("m1",), None, None, None)
_SMALL = [bad for bad in MALFORMED if len(bad.value or b"") < 10_000]


class Raw(NamedTuple):
    """A record of tenant.log.v1 as a consumer hands it out; ``timestamp`` is in milliseconds."""

    offset: int
    timestamp: int
    value: bytes


class Book:
    """Knows two models, whatever their provider."""

    version = "book 1"

    def cost(self, call: Call, at: int) -> int | None:
        tokens = call.input_tokens + 4 * call.output_tokens
        return {"gpt-4o": 2_500_000, "claude": 7_000_001}.get(call.model, 0) * tokens or None


class Inputs:
    """Input topics and the log that admit makes of them."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = START
        self.log: list[Raw] = []
        self._ends: dict[tuple[str, int], int] = {}
        self._sent: list[Incoming] = []
        self._ids = 0

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Any) -> None:
        """Admit a record of an input topic."""
        place = (topic, self.random.randrange(2))
        offset = self._ends[place] = self._ends.get(place, -1) + 1
        # Long ago the topics were made anew: offsets began again, in another incarnation.
        origin = Origin(topic, int(len(self.log) > 500), place[1], offset)
        incoming = Incoming(topic, key, value, headers, self.now, self.now, origin)
        self._sent.append(incoming)
        self._admit(incoming)

    def again(self) -> None:
        """Send what was sent before, soon after it or long after it: a user's duplicate."""
        back = self.random.choice((5, 100, 1_500))
        old = self.random.choice(self._sent[-back:])
        self.send(old.topic, old.key, old.value, old.headers)

    def event(self, topic: str, tenant: str, kind: str, data: Any, time: int | None = None) -> None:
        """Send a CloudEvent with an id of its own."""
        self._ids += 1
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", f"e{self._ids}".encode()),
            ("ce_source", b"/agents/%d" % self.random.randrange(3)),
            ("ce_type", kind.encode()),
        ]
        if time is not None:
            headers.append(("ce_time", format_time(time).encode()))
        self.send(topic, tenant.encode(), json.dumps(data).encode(), headers)

    def job_event(self, kind: str, data: Any, more: list[tuple[str, bytes]]) -> None:
        """Send a CloudEvent of a run: its key is the run, and its header says whose it is."""
        self._ids += 1
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", f"e{self._ids}".encode()),
            ("ce_source", b"/jobs"),
            ("ce_type", kind.encode()),
            *more,
        ]
        self.send(JOB_EVENTS, data["run_id"].encode(), json.dumps(data).encode(), headers)

    def write(self, tenant: str, body: log.Body, origin: Origin | None = None) -> None:
        """Append a record that comes from no input."""
        name = f"w{len(self.log)}"
        self._append(log.encode(Record(log.VERSION, tenant, origin, "", name, self.now, body)))

    def repeat(self) -> None:
        """Admit was killed before it committed its offsets: what it wrote last comes once more."""
        for raw in self.log[-self.random.randrange(1, 6) :]:
            if log.decode(raw.value).origin is not None:
                self._append(raw.value)

    def _admit(self, incoming: Incoming) -> None:
        try:
            record = admit(incoming, Book())
        except Refused as refused:
            if refused.tenant is None:
                return
            record = marker(incoming, refused)
        self._append(log.encode(record))

    def _append(self, value: bytes) -> None:
        # Clocks of two leaders differ: append times go back at times, log time never does.
        back = self.random.choice((0, 0, 0, 0, 0, 2_000)) * SECOND
        self.log.append(Raw(len(self.log), (self.now - back) // 1_000, value))


def whole_log(seed: int, size: int) -> list[Raw]:
    """Make a log of about ``size`` records over some eighty days."""
    inputs = Inputs(seed)
    random = inputs.random
    steps = (
        *[_call] * 30,
        *[_budget] * 3,
        *[_reserve] * 3,
        *[_command] * 2,
        *[_state] * 3,
        *[_forget] * 2,
        *[_talk] * 5,
        *[_access] * 2,
        *[_merge] * 2,
        *[_refused] * 3,
        *[_run] * 6,
        _lineage,
        *[Inputs.again] * 4,
        Inputs.repeat,
        _tick,
        *[_control] * 3,
        _odd,
    )
    # What this partition holds of the shared memory has the epoch 0 then.
    inputs.write("", Tick())
    while len(inputs.log) < size:
        inputs.now += random.choice(PASSED) + random.randrange(1_000)
        if random.random() < 0.01:
            inputs.now += random.choice((HOUR, 5 * HOUR, 3 * DAY))
        random.choice(steps)(inputs)
        if random.random() < 0.004:
            _wide(inputs)
        if random.random() < 0.006:
            _config(inputs)
    # The last records leave work that only ticks would do.
    _forgetting_goes_on(inputs)
    data = {"agent": "a1", "key": "kept", "value": 1}
    inputs.event(TENANT_COMMANDS, TENANTS[0], "state.set", data)
    _wide(inputs)
    for _ in range(20):
        _reserve(inputs)
    inputs.write(TENANTS[5], QuotaGranted(1, "standard"), Origin("control", 0, 0, len(inputs.log)))
    for _ in range(2):
        _again_and_again(inputs, TENANTS[5])
        inputs.event(TENANT_COMMANDS, TENANTS[5], "memory.consolidate", {})
    _again_and_again(inputs, TENANTS[5])
    for tenant in TENANTS[:3]:
        inputs.write(tenant, QuotaGranted(0, "standard"), Origin("control", 0, 0, len(inputs.log)))
    return inputs.log


def azure_log(trace: Path) -> list[Raw]:
    """Make the log of a real trace of calls, each a second after the one before."""
    inputs = Inputs(0)
    with trace.open(newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines)):
            inputs.now += SECOND
            tokens = int(row["ContextTokens"]), int(row["GeneratedTokens"])
            usage = _usage("openai", "gpt-4o", *tokens)
            inputs.event(AGENT_MESSAGES, TENANTS[number % 3], "agent.message", {"usage": usage})
    return inputs.log


def kinds(records: list[Raw]) -> Iterator[type]:
    """Types of the records' bodies."""
    for raw in records:
        yield type(log.decode(raw.value).body)


def _usage(provider: str, model: str, read: int, written: int, cached: int = 0) -> dict[str, Any]:
    return {
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.usage.input_tokens": read,
        "gen_ai.usage.output_tokens": written,
        "gen_ai.usage.cache_read.input_tokens": cached,
    }


def _call(inputs: Inputs) -> None:
    random = inputs.random
    read = random.choice((0, 1_200, 40_000, 2**53))
    data: dict[str, Any] = {
        "usage": _usage(*random.choice(MODELS), read, random.randrange(90), read // 3),
        "agent": random.choice(("", "a1", "a2")),
        "cost_attribution": random.choice(("", "p")),
        "cluster_state": random.choice((None, "eu-1", {"cluster": "us-1", "nodes": [1]})),
    }
    if random.random() < 0.1:
        data["cost_usd"] = random.choice(("0", "3.3", "0.000000001", "1000000000"))
    if random.random() < 0.1:
        data["reservation_id"] = f"h{random.randrange(30)}"
    ago = random.choice((0, 0, HOUR, DAY, 40 * DAY))
    time = None if ago == 0 else inputs.now - random.randrange(ago)
    inputs.event(AGENT_MESSAGES, random.choice(TENANTS), "agent.message", data, time)


def _run(inputs: Inputs) -> None:
    random = inputs.random
    number = random.randrange(60)
    data: dict[str, Any] = {
        "job": {"namespace": "argo", "name": random.choice(("load", "train"))},
        "run_id": f"r{number}",
        "state": random.choice(RUN_STATES),
        "kind": random.choice((None, "batch", "training")),
        "cluster": random.choice((None, "eu-1")),
        "parent_run_id": random.choice((None, f"r{number // 2}")),
        "inputs": _datasets(inputs, random.randrange(3)),
        "outputs": _datasets(inputs, random.randrange(2)),
    }
    if random.random() < 0.3:
        data["usage"] = _usage(*random.choice(MODELS), 100, 10)
    ago = random.choice((0, HOUR, DAY))
    time = None if ago == 0 else inputs.now - random.randrange(ago)
    tenant = random.choice(TENANTS).encode()
    headers = [("ce_tenant", tenant)]
    if time is not None:
        headers.append(("ce_time", format_time(time).encode()))
    inputs.job_event("job.run", data, headers)


def _lineage(inputs: Inputs) -> None:
    """An OpenLineage event of one of the three kinds."""
    random = inputs.random
    facets = {random.choice("abc"): {"x": random.randrange(3)}}
    job = {"namespace": random.choice(TENANTS), "name": "load", "facets": facets}
    event: dict[str, Any] = {
        "eventTime": format_time(inputs.now - random.randrange(HOUR)),
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
        "producer": "https://example.org/spark",
    }
    which = random.randrange(4)
    if which == 0:
        event["dataset"] = {"namespace": random.choice(TENANTS), "name": "d1", "facets": facets}
    else:
        event |= {"job": job, "inputs": _datasets(inputs, 2), "outputs": _datasets(inputs, 1)}
        if which > 1:
            event["run"] = {"runId": f"r{random.randrange(60)}", "facets": facets}
            event["eventType"] = random.choice((*RUN_STATES, None, "SKIPPED"))
    inputs.send(JOB_EVENTS, None, json.dumps(event).encode(), [])


def _wide(inputs: Inputs) -> None:
    """An event with more datasets than one record may connect."""
    data = {
        "job": {"namespace": "argo", "name": "wide"},
        "run_id": "wide",
        "state": "START",
        "inputs": [{"namespace": "s3", "name": f"w{number}"} for number in range(600)],
    }
    inputs.job_event("job.run", data, [("ce_tenant", TENANTS[0].encode())])


def _datasets(inputs: Inputs, size: int) -> list[dict[str, Any]]:
    random = inputs.random
    facets = {"schema": {"fields": [random.randrange(3)]}}
    return [
        {"namespace": "s3", "name": f"d{random.randrange(9)}", "facets": facets}
        for _ in range(size)
    ]


def _talk(inputs: Inputs) -> None:
    """Few agents say much: their working memories are full, and what they said is corrected."""
    random = inputs.random
    data: dict[str, Any] = {
        "content": random.choice(("hello", "é" * 500, *["x" * 200_000] * 2)),
        "priority": random.choice((None, "LOW", "HIGH", "CRITICAL")),
        "agent": random.choice((None, "a1", "a2")),
        "context_tags": random.choice((None, ["b", "a"])),
        "subject": random.choice((*[None] * 8, *SUBJECTS)),
        "metadata": random.choice((None, {"n": 2**80, "f": 0.1})),
        "ttl_seconds": random.choice((None, None, 600, 10**8)),
    }
    if random.random() < 0.6:
        data["memory_id"] = random.choice(MEMORIES)
    tenant, time = random.choice(TENANTS[:3]), inputs.now - random.choice((0, HOUR))
    if random.random() < 0.5:
        inputs.event(AGENT_MESSAGES, tenant, "agent.message", data, time)
        return
    # As admit writes it once it has a model.
    content = msgspec.structs.replace(
        CONTENT, memory_id=data.get("memory_id"), vector=Vector("m", 0.1, b"v" * 384)
    )
    origin = Origin("embedded", 0, 0, len(inputs.log))
    inputs.write(tenant, Message("a1", "s", "", "", None, content), origin)


def _access(inputs: Inputs) -> None:
    random = inputs.random
    counts = tuple((name, random.randint(1, 3)) for name in random.sample(MEMORIES, 3))
    origin = Origin("accesses", random.choice((0, 1)), 0, len(inputs.log))
    inputs.write(random.choice(TENANTS[:3]), Accessed(counts), origin)


def _merge(inputs: Inputs) -> None:
    random = inputs.random
    tenant = random.choice(TENANTS[3:6])
    which = random.random()
    if which < 0.6:
        _again_and_again(inputs, tenant)
    elif which < 0.9:
        data = {"window_hours": random.choice((None, 1, 1_000))}
        inputs.event(TENANT_COMMANDS, tenant, "memory.consolidate", data)
    else:
        inputs.event(
            TENANT_COMMANDS, tenant, "memory.split", {"memory_id": random.choice(MEMORIES)}
        )


def _again_and_again(inputs: Inputs, tenant: str) -> None:
    """What is said of more than one thing, more than once, and in other words."""
    for number in inputs.random.sample(range(9), 2):
        data = {"content": f"Removing base file {number} took {number % 2} ms"}
        inputs.event(AGENT_MESSAGES, tenant, "agent.message", data)
    text = inputs.random.choice(("Base file 4 has no owner", "There is no owner of base file 4"))
    vector = Vector("m", 0.1, bytes(range(100)))
    content = msgspec.structs.replace(CONTENT, text=text, vector=vector)
    origin = Origin("embedded", 0, 0, len(inputs.log))
    inputs.write(tenant, Message("", "", "", "", None, content), origin)


def _control(inputs: Inputs) -> None:
    """What control answers, gives and takes."""
    random = inputs.random
    tenant, epoch = random.choice(TENANTS[:5]), random.choice((0, 0, 0, 7))
    origin = Origin("control", 0, 0, len(inputs.log))
    body: log.Body = random.choice(
        (
            QuotaGranted(random.choice((0, 1, 1, 2)), random.choice(("standard", "critical"))),
            QuotaRejected(9_999, "standard", "ResourceError", "Cannot allocate"),
            LeaseGiven(
                epoch, random.randrange(4), random.choice((0, 1 << 20)), 1 << 16, 1 << 24, 1 << 22
            ),
            LeaseRecalled(
                epoch, random.choice((0, 1 << 10, 1 << 30)), random.choice((None, 0)), 1 << 24
            ),
            LeaseInquiry(random.randrange(3)),
        )
    )
    inputs.write(tenant, body, origin)


def _reserve(inputs: Inputs) -> None:
    """Reservations come again, are settled or not, and come back after a while."""
    random = inputs.random
    name = f"h{random.randrange(30)}"
    amount = random.choice(("0", "1", "5", "40"))
    data: dict[str, Any] = {"reservation_id": name, "amount_usd": amount}
    if random.random() < 0.6:
        budget = random.choice(("default", "default", "a", "b", "none"))
        data = {"budget_id": budget, "amount_usd": amount, "id": name}
        data["ttl_seconds"] = random.choice((1, 60, 3_600, 86_400))
        kind = "budget.reserve"
    else:
        kind = "budget.settle"
    inputs.event(TENANT_COMMANDS, random.choice(TENANTS), kind, data)


def _budget(inputs: Inputs) -> None:
    random = inputs.random
    data = {
        "budget_id": random.choice(("default", "a", "b", "c/ü")),
        "limit_usd": random.choice(("0", "10", "12.5", 100, "100000")),
        "period": random.choice(("hour", "day", "week", "month")),
        "timezone": random.choice(ZONES[:3]),
        "thresholds": random.choice(([50, 80, 100], [100, 50, 50], [120], list(range(1, 11)))),
        "scope": random.choice(({}, {"model": "gpt-4o"}, {"provider": "openai", "agent": ""})),
    }
    inputs.event(TENANT_COMMANDS, random.choice(TENANTS), "budget.set", data)


def _command(inputs: Inputs) -> None:
    random = inputs.random
    which = random.random()
    if which < 0.2:
        data = {"provider": "openai", "model": random.choice(("gpt-4o", "mystery", ""))} | {
            name: random.choice(("0", "2.5", "0.000000001"))
            for name in ("input_usd_per_mtok", "output_usd_per_mtok", "cache_read_usd_per_mtok")
        }
        data["effective_from"] = format_time(inputs.now - random.choice((0, 1, 40)) * DAY)
        inputs.event(TENANT_COMMANDS, random.choice(TENANTS), "price.set", data)
    elif which < 0.4:
        at = format_time(inputs.now - random.choice((0, 1, 40)) * DAY)
        data = {"amount_usd": random.choice(("-3", "60", "0.1")), "at": at, "reason": "why"}
        inputs.event(TENANT_COMMANDS, random.choice(TENANTS), "usage.adjust", data)
    elif which < 0.7:
        data = {"budget_id": random.choice(("default", "a", "b", "never"))}
        inputs.event(TENANT_COMMANDS, random.choice(TENANTS), "budget.delete", data)
    else:
        data = {"timezone": random.choice(ZONES)}
        inputs.event(TENANT_COMMANDS, random.choice(TENANTS), "tenant.set", data)


def _state(inputs: Inputs) -> None:
    """The same few keys again and again, some of them for a while only."""
    random = inputs.random
    key = {"agent": random.choice(("a1", "a1/é")), "key": random.choice(("phase", "lease"))}
    version = random.choice((None, None, 0, 1, 2))
    if random.random() < 0.3:
        data = key | {"if_version": version or None}
        inputs.event(TENANT_COMMANDS, random.choice(TENANTS[:3]), "state.delete", data)
    else:
        value = random.choice((None, 0.1, "x" * 2_000, {"n": [1, {}]}))
        ttl = random.choice((None, 1, 3_600, 86_400))
        data = key | {"value": value, "if_version": version, "ttl_seconds": ttl}
        inputs.event(TENANT_COMMANDS, random.choice(TENANTS[:3]), "state.set", data)


def _forget(inputs: Inputs) -> None:
    """How long memories are kept, what is on hold, and now and then what is erased."""
    random = inputs.random
    tenant, which = random.choice(TENANTS[:3]), random.random()
    about: dict[str, Any] = {"subject": random.choice(SUBJECTS)}
    if random.random() < 0.5:
        about = {"memory_ids": random.sample(MEMORIES, 2)}
    if which < 0.2:
        ttls = {"default_ttl_seconds": random.choice((None, 10**7, 10**8))}
        data = ttls | {"min_ttl_seconds": random.choice((None, 3_600))}
        inputs.event(TENANT_COMMANDS, tenant, "retention.set", data)
    elif which < 0.5:
        inputs.event(TENANT_COMMANDS, tenant, "hold.set", about)
    elif which < 0.9:
        inputs.event(TENANT_COMMANDS, tenant, "hold.release", about)
    else:
        what = {"subject": random.choice(SUBJECTS)} if random.random() < 0.8 else {"all": True}
        inputs.event(TENANT_COMMANDS, tenant, "memory.erase", what | {"reason": "asked to"})
        _reached(inputs)


def _reached(inputs: Inputs) -> None:
    """A worker tells how far the erasure has come whose command is the log's last record."""
    random = inputs.random
    record, at = log.decode(inputs.log[-1].value), inputs.log[-1].timestamp * 1_000
    for done in (False, random.random() < 0.5):
        places = ErasedFrom("archive", None, (), True), ErasedFrom("log", at, (9,), done)
        body = ErasureReached(at, record.source, record.id, places, at)
        inputs.write(record.tenant, body, Origin("eraser/w", 0, 0, len(inputs.log)))


def _forgetting_goes_on(inputs: Inputs) -> None:
    """Something of all that is kept about keeping and forgetting, and work for a tick."""
    tenant = TENANTS[3]
    inputs.event(TENANT_COMMANDS, tenant, "retention.set", {"default_ttl_seconds": 10**7})
    data = {"content": "of whom", "subject": SUBJECTS[0]}
    inputs.event(AGENT_MESSAGES, tenant, "agent.message", data)
    inputs.event(TENANT_COMMANDS, tenant, "hold.set", {"subject": SUBJECTS[0]})
    data = {"subject": SUBJECTS[0], "reason": "asked to"}
    inputs.event(TENANT_COMMANDS, tenant, "memory.erase", data)


def _refused(inputs: Inputs) -> None:
    random = inputs.random
    which = random.randrange(4)
    if which == 0:
        inputs.send(JOB_EVENTS, b"run:1", json.dumps(OPENLINEAGE).encode(), [])
    elif which == 1:
        inputs.event(CONTEXT_REQUESTS, random.choice(TENANTS), "context.request", {})
    else:
        bad = random.choice(_SMALL)
        inputs.send(AGENT_MESSAGES, bad.key, bad.value, bad.headers)


def _tick(inputs: Inputs) -> None:
    inputs.write("", Tick())


def _odd(inputs: Inputs) -> None:
    """What today's admit refuses; a log may hold it still."""
    tenant = inputs.random.choice(TENANTS)
    # A writer's own sequence, so that no fence stops it.
    origin = Origin("writer", 0, 0, len(inputs.log))
    body = BudgetSet("odd", NANO, "year", "Mars/Olympus", (50,), True, {"colour": "red"})
    bodies = [
        TenantSet("Mars/Olympus"),
        body,
        msgspec.structs.replace(body, timezone="UTC"),
        msgspec.structs.replace(body, timezone="UTC", period="day"),
    ]
    inputs.write(tenant, inputs.random.choice(bodies), origin)


def _config(inputs: Inputs) -> None:
    random = inputs.random
    config = msgspec.structs.replace(
        DEFAULT_CONFIG,
        dedupe_hours=random.choice((1, 2, 24, 100)),
        grace_hours=random.choice((1, 24)),
        default_budget=random.choice((20, 100)) * NANO,
        job_history_hours=random.choice((1, 48)),
        job_stale_seconds=60,
        working_limit=random.choice((2, 5, 30)),
    )
    inputs.write("", config)
