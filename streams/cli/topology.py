"""`streams topology`: who writes and who reads each topic, from the one map."""

import click
import msgspec

from streams.cli.client import json_option, settings_for
from streams.topology import Topic, topics


@click.command()
@click.option("--mermaid", is_flag=True, help="Print a flow diagram for Markdown.")
@json_option
def topology(mermaid: bool, as_json: bool) -> None:
    """Show each topic of this installation: its key, writers, readers and settings.

    \b
    Example:
      streams topology
      streams topology --mermaid > flow.mmd
    """
    all_topics = topics(settings_for())
    if as_json:
        click.echo(msgspec.json.encode(all_topics).decode())
    elif mermaid:
        click.echo(diagram(all_topics))
    else:
        _print_table(all_topics)


def _print_table(all_topics: tuple[Topic, ...]) -> None:
    from streams.cli.tables import new_table, show  # noqa: PLC0415 - --json needs no rich

    table = new_table()
    table.add_column("topic", no_wrap=True)
    for name in ("key", "written by", "read by"):
        table.add_column(name)
    table.add_column("partitions", justify="right")
    table.add_column("cleanup")
    for topic in all_topics:
        table.add_row(
            topic.name,
            topic.key,
            ", ".join(topic.written_by),
            ", ".join(topic.read_by),
            f"{topic.partitions}{' (fixed)' if topic.fixed_partitions else ''}",
            topic.configs["cleanup.policy"],
            style="dim" if topic.internal else None,
        )
    show(table)


def diagram(all_topics: tuple[Topic, ...]) -> str:
    """Flow diagram in Mermaid: topics are cylinders, those who write and read them boxes.

    Input, output and internal topics only; dead letters are drawn as one.
    """
    lines = ["flowchart LR"]
    edges: dict[tuple[str, str], None] = {}
    for topic in all_topics:
        dead = topic.name.endswith(".dlq")
        node, label = ("dlq", "*.dlq") if dead else (_node(topic.name), topic.name)
        shape = f'  {node}[("{label}")]'
        if shape not in lines:
            lines.append(shape)
        writers, readers = map(_actors, (topic.written_by, topic.read_by))
        for writer in writers:
            # Who gives input and who takes output are drawn apart, so that the flow reads one way.
            source = "in_" + writer if writer in _OUTSIDE else writer
            edges[source, node] = None
        for reader in readers:
            target = "out_" + reader if reader in _OUTSIDE else reader
            edges[node, target] = None
    for end in dict.fromkeys(end for edge in edges for end in edge):
        bare = end.removeprefix("in_").removeprefix("out_")
        if bare in _LABELS:
            lines.append(f"  {end}[{_LABELS[bare]}]")
    lines.extend(f"  {source} --> {target}" for source, target in edges)
    return "\n".join(lines)


_LABELS = {
    "users": '"agents, jobs, users"',
    "HTTP_API": '"HTTP API"',
    "CLI": "CLI",
    "admit": "admit",
    "fold": "fold",
    "every_worker": '"every worker"',
}
_OUTSIDE = ("users", "HTTP_API", "CLI")


def _actors(names: tuple[str, ...]) -> list[str]:
    """Actor of each name, without what stands in brackets."""
    return list(dict.fromkeys(_node(name.partition(" (")[0]) for name in names))


def _node(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)
