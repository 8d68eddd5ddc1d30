from decimal import Decimal
from io import StringIO

import pytest
from rich.console import Console

from streams.cli.demo_system import Worker
from streams.cli.demo_view import Alert, LiveView, PlainView, Scene, Spend, alert_line

ALERT = Alert("t1", "daily", 50, "40", "20.123456789")


def scene() -> Scene:
    made = Scene(0, "http://127.0.0.1:1", "dir", sent=1200, counted=1100, rate=900)
    made.spends["daily"] = Spend("t1", "", Decimal(40), Decimal("20.5"))
    made.spends["gpt"] = Spend("t2", "model=gpt-4o", Decimal(1), Decimal(2))
    made.workers = [Worker("fold", 4711, "http://127.0.0.1:2")]
    made.alerts.append(alert_line("budget.threshold.crossed", ALERT))
    return made


@pytest.mark.parametrize(
    ("kind", "alert", "text"),
    [
        ("budget.threshold.crossed", ALERT, "t1/daily threshold crossed 50%: 20.12 of 40.00 USD"),
        (
            "budget.exceeded",
            Alert("t1", "daily", None, "1", "2"),
            "t1/daily exceeded: 2.00 of 1.00",
        ),
        ("usage.unpriced", Alert("t1"), "t1/ usage unpriced"),
    ],
)
def test_an_alert_is_one_line(kind: str, alert: Alert, text: str) -> None:
    assert alert_line(kind, alert).startswith(text)


def test_the_screen_shows_all_of_the_scene() -> None:
    out = StringIO()
    with LiveView(scene(), Console(file=out, force_terminal=True, width=80, height=24)) as view:
        view.note("kill -9 of the fold worker 4711")
    for text in (
        *("900 events/s", "sent 1,200", "counted 1,100", "http://127.0.0.1:1/"),
        *("20.50", "40.00", "51%", "model=gpt-4o", "200%"),
        *("4711", "threshold crossed 50%", "kill -9"),
    ):
        assert text in out.getvalue()


def test_the_newest_of_many_alerts_fit_on_a_small_screen() -> None:
    out, full = StringIO(), scene()
    full.alerts.extend(f"t1/b{number} exceeded" for number in range(30))
    full.notes.extend(("one", "two", "three", "the last note"))
    with LiveView(full, Console(file=out, force_terminal=True, width=80, height=24)):
        pass
    shown = out.getvalue()
    assert "t1/b29 exceeded" in shown
    assert "the last note" in shown
    assert "..." not in shown


def test_without_a_terminal_each_second_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainView(scene())
    view.second()
    view.alert("t1/daily exceeded")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("900/s  sent 1,200  counted 1,100  t1 20.50/40.00 USD")
    assert lines[1].endswith("ALERT t1/daily exceeded")
