"""What the docs show is what the code says."""

import re
from pathlib import Path

from click.testing import CliRunner

from streams.cli.topology import topology

ROOT = Path(__file__).parents[2]


def test_the_tours_diagram_is_made_from_the_topology() -> None:
    made = CliRunner().invoke(topology, ["--mermaid"]).output.rstrip()
    tour = (ROOT / "docs" / "tour.md").read_text()
    shown = re.search(
        r"<!-- topology -->\n```mermaid\n(.*)\n```\n<!-- /topology -->", tour, re.DOTALL
    )
    assert shown is not None
    assert shown[1] == made


def test_every_file_that_a_page_links_to_is_there() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
