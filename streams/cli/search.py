"""`streams search`: the memories of a tenant that answer a question best."""

from pathlib import Path
from typing import Any

import click
import msgspec

from streams.cli.client import (
    api_option,
    data_option,
    json_option,
    print_body,
    reader,
    tenant_argument,
)
from streams.core.errors import Misuse

PRIORITIES = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
TIERS = ("working", "long_term")
SHOWN = 300
"""Characters of a memory that the table shows."""


class Memory(msgspec.Struct, frozen=True):
    """A memory, as far as the table shows it."""

    id: str
    agent: str | None
    content: str
    timestamp: str
    priority: str
    tier: str


class Result(msgspec.Struct, frozen=True):
    """A memory, its score, and with --explain what the score is the sum of."""

    memory: Memory
    score: float
    parts: dict[str, float] | None


class Found(msgspec.Struct, frozen=True):
    """Body of POST .../memories/search."""

    results: list[Result]
    as_of: str


@click.command()
@tenant_argument
@click.argument("query")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=10, show_default=True, help="Results."
)
@click.option("--explain", is_flag=True, help="Show what each score is made of; counts no access.")
@click.option("--min-priority", type=click.Choice(PRIORITIES), help="This priority or a higher.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Has this tag; may be repeated.")
@click.option("--agent", help="Of this agent.")
@click.option("--session", help="Of this session.")
@click.option("--cluster", help="Of this cluster.")
@click.option("--pipeline", help="Of this pipeline.")
@click.option("--cost-attribution", metavar="NAME", help="Attributed to this.")
@click.option("--subject", help="About this data subject.")
@click.option(
    "--metadata",
    multiple=True,
    metavar="KEY=VALUE",
    help="Has this metadata; VALUE is JSON, or a text; may be repeated.",
)
@click.option("--since", metavar="TIME", help="Not before it, RFC 3339.")
@click.option("--until", metavar="TIME", help="Before it, RFC 3339.")
@click.option("--tier", "tiers", multiple=True, type=click.Choice(TIERS), help="Only of this tier.")
@api_option
@data_option
@json_option
def search(
    tenant: str,
    query: str,
    tags: tuple[str, ...],
    metadata: tuple[str, ...],
    tiers: tuple[str, ...],
    api: str | None,
    folder: Path | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Find the memories of TENANT that answer QUERY best.

    \b
    Example:
      streams search t1 "why did the quality gate fail?"
      streams search t1 "lag in eu-1" --min-priority HIGH --tag kafka --explain
      streams search t1 "lag in eu-1" --data was
    """
    given = rest | {
        "context_tags": list(tags) or None,
        "metadata": dict(map(_pair, metadata)) or None,
        "tiers": list(tiers) or None,
    }
    body = {"query": query} | {name: value for name, value in given.items() if value is not None}
    with reader(api, folder) as client:
        answer = client.post("v1", "tenants", tenant, "memories", "search", body=body)
    if as_json:
        print_body(answer)
    else:
        _print_table(tenant, msgspec.json.decode(answer, type=Found), rest["explain"])


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise Misuse(f"--metadata is KEY=VALUE, not {text!r}")
    try:
        return key, msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return key, value


def _print_table(tenant: str, found: Found, explain: bool) -> None:
    from streams.cli.tables import new_table, show  # noqa: PLC0415 - --json needs no rich

    table = new_table(f"memories of {tenant}")
    table.add_column("score", justify="right", no_wrap=True)
    for name in ("memory", "when", "priority", "agent"):
        table.add_column(name, no_wrap=name != "memory")
    table.add_column("content")
    if explain:
        table.add_column("parts")
    for result in found.results:
        memory = result.memory
        more = "…" if len(memory.content) > SHOWN else ""
        row = [
            f"{result.score:.2f}",
            memory.id,
            memory.timestamp.partition(".")[0],
            memory.priority,
            memory.agent or "-",
            " ".join(memory.content[:SHOWN].split()) + more,
        ]
        table.add_row(*row, *([parts_text(result.parts or {})] if explain else []))
    show(table, f"as of {found.as_of}" + _lexical(found, explain))


def parts_text(parts: dict[str, float]) -> str:
    """The parts that are not 0, the largest first."""
    told = sorted(parts.items(), key=lambda part: -abs(part[1]))
    return ", ".join(f"{name} {value:+.2f}" for name, value in told if value)


def _lexical(found: Found, explain: bool) -> str:
    embedded = any("dense" in (result.parts or {}) for result in found.results)
    return "" if embedded or not explain or not found.results else "; no model: by words alone"
