"""What the demo shows: a live screen on a terminal, plain lines elsewhere."""

import sys
import time
from collections import deque
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal

import msgspec
from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from streams.cli.demo_system import Worker
from streams.cli.tables import new_table

_KEPT_ALERTS = 30
_NOTES = 4
_BAR = 18
_MARK = {"exceeded": "red", "crossed": "yellow", "recovered": "green"}


class Alert(msgspec.Struct, frozen=True):
    """Data of a record of budget.alerts.v1, as far as it is shown."""

    tenant: str = ""
    budget_id: str = ""
    threshold_percent: int | None = None
    limit_usd: str | None = None
    spent_usd: str | None = None


class Spend(msgspec.Struct):
    """A budget's figure, as the API last said."""

    tenant: str
    scope: str
    limit: Decimal
    spent: Decimal = Decimal(0)


class Scene(msgspec.Struct):
    """All that is on the screen."""

    begun: float
    api: str
    data: str
    spends: dict[str, Spend] = {}
    """By budget."""
    workers: list[Worker] = []
    alerts: deque[str] = msgspec.field(default_factory=lambda: deque(maxlen=_KEPT_ALERTS))
    fired: list[tuple[str, str, int | None]] = []
    """Budget, type and threshold of each alert."""
    answering: bool = True
    first_alert: float | None = None
    """Seconds from the start of the demo."""
    sent: int = 0
    counted: int = 0
    rate: int = 0
    notes: deque[str] = msgspec.field(default_factory=lambda: deque(maxlen=_NOTES))


def alert_line(kind: str, alert: Alert) -> str:
    """One line of an alert."""
    what = kind.removeprefix("budget.").replace(".", " ")
    at = f" {alert.threshold_percent}%" if alert.threshold_percent is not None else ""
    figures = ""
    if alert.spent_usd is not None and alert.limit_usd is not None:
        figures = f": {Decimal(alert.spent_usd):.2f} of {Decimal(alert.limit_usd):.2f} USD"
    return f"{alert.tenant}/{alert.budget_id} {what}{at}{figures}"


def starting(text: str) -> AbstractContextManager[object]:
    """Tell that something takes a while."""
    if sys.stdout.isatty():
        return Console().status(text)
    print(f"{text} ...", flush=True)
    return nullcontext()


class View:
    """Shows a scene; used as a context."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def __enter__(self) -> "View":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def note(self, text: str) -> None:
        """Tell something that happened."""
        raise NotImplementedError

    def alert(self, text: str) -> None:
        """Show an alert that fired."""
        raise NotImplementedError

    def second(self) -> None:
        """A second has passed."""

    def elapsed(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self.scene.begun


class PlainView(View):
    """A line a second, and one for each event of note."""

    def note(self, text: str) -> None:
        print(f"[{self.elapsed():5.1f}s] {text}", flush=True)

    def alert(self, text: str) -> None:
        self.note(f"ALERT {text}")

    def second(self) -> None:
        scene = self.scene
        spends = "  ".join(
            f"{spend.tenant} {spend.spent:.2f}/{spend.limit:.2f} USD"
            for spend in scene.spends.values()
            if not spend.scope
        )
        self.note(f"{scene.rate:,}/s  sent {scene.sent:,}  counted {scene.counted:,}  {spends}")


class LiveView(View):
    """The screen."""

    def __init__(self, scene: Scene, console: Console) -> None:
        super().__init__(scene)
        self._console = console
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=8, transient=False
        )

    def __enter__(self) -> "View":
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.__exit__(None, None, None)

    def note(self, text: str) -> None:
        self.scene.notes.append(f"[{self.elapsed():5.1f}s] {text}")

    def alert(self, text: str) -> None:
        return None

    def _render(self) -> RenderableType:
        scene = self.scene
        head = Text.assemble(
            ("Agent Streams", "bold"),
            f"  {scene.rate:,} events/s  sent {scene.sent:,}  counted {scene.counted:,}",
        )
        where = Text(f"API {scene.api}/ (docs)  Ctrl-C ends", style="dim")
        notes = Text("\n".join(scene.notes), style="dim")
        return Group(head, where, self._budgets(), self._alerts(), self._workers(), notes)

    def _budgets(self) -> Table:
        table = new_table()
        for name in ("tenant", "counts"):
            table.add_column(name, no_wrap=True)
        for name in ("spent USD", "budget"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("", width=_BAR)
        table.add_column("%", justify="right", no_wrap=True)
        for spend in self.scene.spends.values():
            share = float(spend.spent / spend.limit) if spend.limit else 0.0
            color = "red" if share > 1 else "yellow" if share >= 0.5 else "green"
            table.add_row(
                spend.tenant,
                spend.scope or "all",
                f"{spend.spent:,.2f}",
                f"{spend.limit:,.2f}",
                Bar(1, 0, min(share, 1.0), width=_BAR, color=color),
                f"{share:.0%}",
            )
        return table

    def _alerts(self) -> Text:
        """As many of the last alerts as the screen has lines for."""
        scene = self.scene
        others = 4 + len(scene.spends) + 6 + _NOTES
        room = max(1, self._console.size.height - others)
        first = "" if scene.first_alert is None else f", the first after {scene.first_alert:.1f} s"
        text = Text(f"alerts: {len(scene.fired)}{first}\n", style="bold")
        for alert in list(scene.alerts)[-room:]:
            style = next((color for word, color in _MARK.items() if word in alert), "none")
            text.append(f"  {alert}\n", style=f"not bold {style}")
        text.no_wrap = True
        return text

    def _workers(self) -> Text:
        told = "  ".join(f"{worker.role} {worker.pid}" for worker in self.scene.workers)
        return Text(f"workers: {told}")


def new_view(scene: Scene) -> View:
    """Return the screen on a terminal, else lines."""
    return LiveView(scene, Console()) if sys.stdout.isatty() else PlainView(scene)
