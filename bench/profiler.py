"""Where the microseconds go: samples of a run's processes, sorted into what they were for.

py-spy tells what Python was doing; perf, where it is installed, what the CPU was doing: the kernel,
the interpreter, Kafka's checksums, RocksDB. Both slow a process a little: its rate is no figure.
"""

import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import harness

RATE = 250
LEAVES = 15
_STARTED_S = 1.0

Stack = tuple[str, ...]
"""Frames as "function (file:line)", the outermost first."""

# Threads that only wait; py-spy can't tell in every kernel that they sleep.
WAITING = ("select (selectors.py", "_worker (concurrent/", "_WorkItem.run (", "watch (stopwatch.py")
# What a stack was for: the first line of which any frame has one of the parts.
KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("read rows that are not in memory (RocksDB)", ("DatabaseReader.",)),
    ("write rows (RocksDB)", ("PartitionStore._write",)),
    ("encode rows", ("BufferedView.encoded",)),
    ("build Kafka batches", ("_send_rows", "_send_log", "BatchBuilder.", "MessageBatch.")),
    ("send outputs", ("_send (", "_send_identities", "_send_dead")),
    ("decode log records", ("PartitionStore._decode",)),
    ("dedupe", ("_identify", "streams/runtime/dedupe.py")),
    ("origin fences", ("Fences.",)),
    ("alerts and audit (pure)", ("streams/usage/alerts.py", "streams/core/journal.py")),
    ("budgets (pure)", ("spend (streams/usage/spending.py", "streams/usage/budgets.py")),
    ("usage counters (pure)", ("count (streams/usage/counters.py",)),
    ("fold, the rest (pure)", ("fold (streams/agents/fold.py",)),
    ("fold loop", ("PartitionStore._fold", "PartitionStore.apply", "PartitionStore._apply_some")),
    ("event time (pure)", ("event_time (streams/core/envelope.py",)),
    ("envelope: headers, marks, tenant (pure)", ("streams/core/envelope.py", "core/tenant.py")),
    ("data: JSON and its checks (pure)", ("decode (streams/core/events.py",)),
    ("price (pure)", ("CataloguePrices.",)),
    ("log record, the rest of admit (pure)", ("admit (streams/agents/admit.py", "core/log.py")),
    ("admit loop", ("OriginWriter._decode", "OriginWriter._slice")),
    ("unpack fetched records", ("PartitionRecords.", "FetchResult.", "fetch_lean")),
    ("transactions: requests and waiting", ("aiokafka/producer/sender.py",)),
    ("other Kafka requests", ("aiokafka/",)),
    ("Faust: from consumer to agent", ("faust/", "mode/", "streams/runtime/transport.py")),
    ("event loop and the rest", ("",)),
)


class Profiler:
    """Samples a run's processes; without a folder it does nothing."""

    def __init__(self, folder: str | None) -> None:
        self._folder = Path(folder) if folder else None
        self._running: list[subprocess.Popen[bytes]] = []
        self._reports: Mapping[str, Mapping[str, Any]] = {}

    def begin(self, processes: Mapping[str, int]) -> None:
        """Attach to the processes, by name."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        py_spy = str(harness.peers_python().parent / "py-spy")
        for name, pid in processes.items():
            stacks = str(self._file(name, "stacks"))
            of = ["--pid", str(pid)]
            self._spawn(py_spy, "record", *of, "-r", str(RATE), "-f", "raw", "-t", "-o", stacks)
            if perf := shutil.which("perf"):
                samples = str(self._file(name, "perf"))
                self._spawn(perf, "record", *of, "-e", "cpu-clock", "-F", str(RATE), "-o", samples)
        time.sleep(_STARTED_S)

    def _spawn(self, *command: str) -> None:
        nowhere = subprocess.DEVNULL
        self._running.append(subprocess.Popen(command, stdout=nowhere, stderr=nowhere))

    def end(self, reports: Mapping[str, Mapping[str, Any]]) -> None:
        """Detach."""
        for running in self._running:
            running.send_signal(signal.SIGINT)
        for running in self._running:
            running.wait(60)
        self._reports = reports

    def _file(self, name: str, kind: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{name.split()[1]}.{kind}"

    def show(self) -> None:
        """Print the tables of each process."""
        for name, report in self._reports.items():
            cpu = report["cpu_seconds"] / report["events"] * 1e6
            busy = report["cpu_seconds"] / report["seconds"]
            print(f"\n## {name.split()[1]}: {cpu:.1f} us CPU an event, {busy:.0%} of a core")
            collecting = report["gc_seconds"] / report["events"] * 1e6
            print(f"of which the garbage collector {collecting:.2f} us (it runs inside the others)")
            if report.get("transactions"):
                chunk = report["events"] / report["transactions"]
                rows = report["rows"] / report["events"]
                print(f"{chunk:.0f} events a transaction, {rows:.2f} changelog rows an event")
            stacks = read(self._file(name, "stacks"))
            _table("what for", kinds(stacks), cpu)
            _table("line of code", _leaves(stacks), cpu, LEAVES)
            if self._file(name, "perf").is_file():
                _table("where the CPU was (perf)", objects(self._file(name, "perf")), cpu)


def read(file: Path) -> Counter[Stack]:
    """Stacks that were not merely waiting, and how often each was met."""
    stacks: Counter[Stack] = Counter()
    for line in file.read_text().splitlines():
        frames, _, count = line.rpartition(" ")
        stack = tuple(frames.split(";"))
        if not any(part in stack[-1] for part in WAITING):
            stacks[stack] += int(count)
    return stacks


def kinds(stacks: Mapping[Stack, int]) -> Counter[str]:
    """What the samples were for, by ``KINDS``."""
    found: Counter[str] = Counter()
    for stack, count in stacks.items():
        whole = "\n".join(stack)
        kind = next(kind for kind, parts in KINDS if any(part in whole for part in parts))
        found[kind] += count
    return found


def objects(file: Path) -> Counter[str]:
    """Samples by shared object; the kernel is one."""
    command = ["perf", "report", "-i", str(file), "--stdio", "--sort", "dso", "-t", "|", "-q"]
    ran = subprocess.run(
        [*command, "--show-nr-samples"], capture_output=True, text=True, check=True
    )
    found: Counter[str] = Counter()
    for line in ran.stdout.splitlines():
        parts = [part.strip() for part in line.split("|")]
        if len(parts) == 3 and parts[1].isdigit():
            found[parts[2]] += int(parts[1])
    return found


def _leaves(stacks: Mapping[Stack, int]) -> Counter[str]:
    found: Counter[str] = Counter()
    for stack, count in stacks.items():
        found[stack[-1]] += count
    return found


def _table(title: str, counts: Counter[str], cpu: float, most: int | None = None) -> None:
    total = sum(counts.values())
    print(f"\n| {title} | us an event | share |\n|---|---|---|")
    for name, count in counts.most_common(most):
        print(f"| {name} | {count / total * cpu:.2f} | {count / total:.1%} |")
