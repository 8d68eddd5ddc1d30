"""The command `streams`: finds a command by name, imports only its module, and maps ends to codes.

0 done, 1 failed, 2 misused, 3 a worker gave up, 130 stopped by Ctrl-C.
"""

import contextlib
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from streams import __version__
from streams.cli.telling import warn
from streams.core.errors import Misuse, StreamsError
from streams.runtime.processes import let_go

COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("streams.cli.up:up", "Run everything on this machine."),
    "demo": ("streams.cli.demo:demo", "Watch a simulated fleet spend against its budgets."),
    "worker": ("streams.cli.worker:worker", "Run one worker process."),
    "topics": ("streams.cli.topics:topics", "Create, check and list the topics."),
    "send": ("streams.cli.send:send", "Send events from a file to Kafka."),
    "import": ("streams.cli.importing:import_", "Bring memories and state of an old store in."),
    "tail": ("streams.cli.tail:tail", "Print the records of a topic."),
    "usage": ("streams.cli.usage:usage", "Show what a tenant used, by period."),
    "budget": ("streams.cli.budget:budget", "Show, set and delete a tenant's budgets."),
    "quota": ("streams.cli.quota:quota", "Show and set a tenant's memory."),
    "retention": ("streams.cli.retention:retention", "Set how long memories are kept."),
    "erase": ("streams.cli.erase:erase", "Erase memories for good."),
    "hold": ("streams.cli.hold:hold", "Keep memories that would go otherwise."),
    "search": ("streams.cli.search:search", "Find the memories that answer a question."),
    "state": ("streams.cli.state:state", "Get, set, delete and list an agent's own state."),
    "jobs": ("streams.cli.jobs:jobs", "Show a tenant's runs of data jobs."),
    "topology": ("streams.cli.topology:topology", "Show who writes and who reads each topic."),
    "snapshot": ("streams.cli.snapshot:snapshot", "Take, list and verify snapshots."),
    "replay": ("streams.cli.replay:replay", "Build the state as it was at a time."),
    "restore": ("streams.cli.restore:restore", "Bring up a second cluster from the bucket alone."),
    "digest": ("streams.cli.digest:digest", "Show a digest of each partition's state."),
    "migrate": ("streams.cli.migrate:migrate", "Bring rows of older versions up to date."),
    "validate": ("streams.cli.validate:validate", "Check events of a file without sending them."),
    "model": ("streams.cli.model:model", "Make the model that admit embeds with."),
    "bench": ("streams.cli.bench:bench", "Measure this machine, beside other stream processors."),
    "doctor": ("streams.cli.doctor:doctor", "Find what is wrong and say what to do."),
}
"""Name -> where its command is, and its short help, so that `streams --help` imports none."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        try:
            command: click.Command = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing == "streams":
                raise Misuse(f"`streams {cmd_name}` is not in this version") from None
            raise Misuse(
                f"`streams {cmd_name}` needs the package {missing}: "
                "pip install 'agent-streams[worker]'"
            ) from None
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="streams", message="%(prog)s %(version)s")
def cli() -> None:
    """Exactly-once budgets and usage for fleets of AI agents and data jobs, on Kafka.

    \b
    Example:
      streams demo                    see it work
      streams up                      run it on this machine
      streams send events.jsonl       send it events
      streams usage t1 --group-by model
      streams search t1 "why did the gate fail?"
      streams jobs t1
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; a user's mistake is one line on stderr."""
    try:
        ended: Any = cli.main(
            args=None if arguments is None else list(arguments),
            prog_name="streams",
            standalone_mode=False,
        )
        print(end="", flush=True)  # which minds no closed stdout
    except click.exceptions.NoArgsIsHelpError as error:
        with contextlib.suppress(OSError):
            click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        command = (
            error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        )
        hint = f" (see `{command} --help`)" if command else ""
        return _complain(error.format_message().rstrip(".") + hint, error.exit_code)
    except Misuse as error:
        return _complain(str(error), 2)
    except StreamsError as error:
        return _complain(str(error), 1)
    except (KeyboardInterrupt, click.Abort):
        return 130
    except BrokenPipeError:
        # The reader (`| head`) has what it wanted; nor may the flush at exit complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return _complain(what, 1)
    return ended if isinstance(ended, int) else 0


def _complain(message: str, code: int) -> int:
    warn(" ".join(message.split()))
    return code


def main() -> None:
    """Entry point of the console script."""
    code = run()
    for stream in (sys.stdout, sys.stderr):
        let_go(stream)
    sys.exit(code)
