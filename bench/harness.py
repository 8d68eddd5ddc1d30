"""What the benches share: the peers' environment, runs of contenders, the machine, the figures."""

import hashlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONTENDERS = Path(__file__).parent / "contenders"
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
PEERS = ROOT / ".bench-venv"
PAUSE_S = 0.5


def say(line: str) -> None:
    """Tell a person how far it is; stdout is for the result."""
    print(line, file=sys.stderr, flush=True)


def peers_python() -> Path:
    """Python of the peers' environment, made anew unless its versions and its Python are right."""
    stamp = PEERS / ".ready"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    python = PEERS / "bin" / "python"
    if not stamp.is_file() or stamp.read_text() != wanted or not _same_python():
        say(f"installing what is compared with into {PEERS.name} (once)")
        venv.create(PEERS, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=True, stdout=sys.stderr)
        stamp.write_text(wanted)
    return python


def _same_python() -> bool:
    """Whether the peers run on our own Python: one build of it may take a sixth more CPU."""
    lines = (PEERS / "pyvenv.cfg").read_text().splitlines()
    home = next((line.partition("=")[2].strip() for line in lines if line.startswith("home")), "")
    return Path(home).resolve() == Path(sys.base_exec_prefix, "bin").resolve()


def contend(
    python: Path, name: str, spec: Mapping[str, Any], timeout: float, *, broker: int
) -> dict[str, Any]:
    """Run one contender alone in a process of its own and return its report.

    ``others_cpu`` in it is what everything but the contender and the broker (a process id) took of
    the machine meanwhile: 0 is a quiet machine, and a run of which it is much says little.

    Raises
    ------
    SystemExit
        It failed or gave no report in time: a bench without one of its figures is none.
    """
    time.sleep(PAUSE_S)
    command = [str(python), str(CONTENDERS / f"{name}.py"), json.dumps(spec)]
    before = _with_children(broker)
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        stderr = error.stderr.decode(errors="replace") if error.stderr else ""
        sys.exit(f"{name} was not done after {timeout:.0f} s\n{stderr[-3000:]}")
    if ran.returncode or not ran.stdout.strip():
        sys.exit(f"{name} failed ({ran.returncode})\n{ran.stderr[-3000:]}")
    report: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    report["others_cpu"] = others_cpu(before, _with_children(broker))
    return report


def cpu_seconds(*processes: int) -> tuple[float, float, float]:
    """CPU time so far: of the whole machine, of these processes, and there was to have."""
    hertz = os.sysconf("SC_CLK_TCK")
    try:
        ticks = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        mine = sum(
            int(n)
            for process in processes
            for n in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
        )
    except (OSError, ValueError, IndexError):
        return 0.0, 0.0, 0.0
    idle = ticks[3] + ticks[4]
    return (sum(ticks) - idle) / hertz, mine / hertz, sum(ticks) / hertz


def others_cpu(before: Sequence[float], after: Sequence[float]) -> float:
    """Share of the machine that others took between two ``cpu_seconds``: 0 is a quiet machine."""
    busy, mine, all_of_it = (b - a for a, b in zip(before, after, strict=True))
    return round(max(0.0, busy - mine) / max(all_of_it, 1e-9), 3)


def _with_children(broker: int) -> tuple[float, float, float]:
    busy, mine, all_of_it = cpu_seconds(broker)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return busy, mine + children.ru_utime + children.ru_stime, all_of_it


def spread(values: Sequence[float], digits: int) -> dict[str, float]:
    """Lowest, median, highest."""
    return {
        "min": round(min(values), digits),
        "median": round(statistics.median(values), digits),
        "max": round(max(values), digits),
    }


def ratio(ours: Sequence[float], peer: Sequence[float]) -> float:
    """Median of ours over median of the peer's."""
    return round(statistics.median(ours) / statistics.median(peer), 3)


def machine() -> dict[str, Any]:
    """What the figures are of."""
    return {
        "cpu": _first("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def _first(path: str, field: str) -> str | None:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), None)
