"""What long commands say beside their answer: lines on stderr."""

import contextlib
import sys

import click


def progress(line: str) -> None:
    """Say how far it is, to a person who looks on."""
    if sys.stderr.isatty():
        warn(f"{line} ...")


def warn(line: str) -> None:
    """Say what has to be known, to whoever reads the log; it may be a file on a full disk."""
    with contextlib.suppress(OSError):
        click.echo(f"streams: {line}", err=True)
