"""Groups of commands that know what a tenant's name alone means."""

import click


def defaulting_to(command: str) -> type[click.Group]:
    """Make a group in which `GROUP TENANT` is `GROUP COMMAND TENANT`."""

    class Defaulting(click.Group):
        def resolve_command(
            self, ctx: click.Context, args: list[str]
        ) -> tuple[str | None, click.Command | None, list[str]]:
            if args and args[0] not in self.commands and not args[0].startswith("-"):
                args = [command, *args]
            return super().resolve_command(ctx, args)

    return Defaulting
