import os
import subprocess
import sys

import click
import pytest

from streams.cli.main import COMMANDS, cli, run


def with_subcommands(name: str) -> dict[str, click.Command]:
    """A command and its subcommands, by path."""
    with click.Context(cli) as context:
        command = cli.get_command(context, name)
    assert command is not None
    subs = command.commands if isinstance(command, click.Group) else {}
    return {name: command} | {f"{name} {sub}": found for sub, found in subs.items()}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_and_says_what_it_takes(name: str) -> None:
    for path, command in with_subcommands(name).items():
        assert command.help, path
        _, example, shown = command.help.partition("Example:")
        assert example, f"`streams {path} --help` shows no example"
        assert f"streams {name}" in shown
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help or isinstance(parameter.type, click.Choice), parameter.name


def test_help_lists_every_command_and_imports_none() -> None:
    script = (
        "import sys; from streams.cli.main import run; code = run(['--help']);"
        "heavy = {'httpx', 'aiokafka', 'rich', 'faust', 'litestar'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nope"], "No such command"),
        (["usage"], "Missing argument"),
        (["usage", "t1", "--period", "year"], "is not one of"),
        (["usage", "t1", "--frm", "x"], "No such option"),
        (["usage", "t1"], "no running `streams up` found"),
        (["bench", "nope"], "is not one of"),
        (["usage", "a/b"], "can't be a tenant"),
        (["budget", ".."], "can't be a tenant"),
        (["send", "nope.jsonl"], "does not exist"),
        (["tail"], "Missing argument"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err


def test_version() -> None:
    done = subprocess.run([sys.executable, "-m", "streams", "--version"], capture_output=True)
    assert done.returncode == 0
    assert done.stdout.startswith(b"streams 0.")


def test_a_reader_that_closes_the_pipe_ends_it_quietly() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "streams", "topology", "--json"],
            stdout=closed,
            stderr=subprocess.PIPE,
        )
    assert done.returncode == 1
    assert done.stderr == b""
