"""What commands on workflows share: words after `--` that are flags for inputs, and values of hints."""

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

FLAGS = "weyl.cwl.flags"

Hint = Annotated[
    list[str] | None,
    typer.Option("--hint", metavar="K=V", help="Set a field of the dirac:Job hint, as priority=5; may be repeated."),
]


class FlagsCommand(TyperCommand):
    """A command whose words after `--` are flags for the inputs of a workflow, which it reads itself."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Keep the words after `--` for the command."""
        at = args.index("--") if "--" in args else len(args)
        ctx.meta[FLAGS] = args[at + 1 :]
        return super().parse_args(ctx, args[:at])

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage line."""
        return [*super().collect_usage_pieces(ctx), "[-- --INPUT VALUE ...]"]
