"""Tables of the commands: plain, as wide as they need when nobody looks at a terminal."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 160


def new_table(title: str | None = None) -> Table:
    """Return an empty table in the one style."""
    return Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)


def show(table: Table, note: str | None = None, chart: Text | None = None) -> None:
    """Print a table, on a terminal a chart under it, and a note."""
    # Names are users': a bracket in them is no markup.
    console = Console(markup=False)
    if not console.is_terminal:
        console = Console(width=PIPE_WIDTH, markup=False)
    console.print(table)
    if chart is not None and console.is_terminal:
        console.print(chart)
    if note is not None:
        console.print(note, style="dim", highlight=False)
