"""What commands on workflows share: words after `--` that are flags for inputs, and values of hints."""

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from weyl.client.errors import UsageFault

FLAGS = "weyl.cwl.flags"
# Options of jobs in JDL, and what says the same of those in CWL.
OTHERWISE = {
    "--name": "Jobs have the name that the document has as its label.",
    "--site": "Write --hint sites=[NAME].",
    "--cores": "The document says it: ResourceRequirement has coresMin.",
    "--memory": "The document says it: ResourceRequirement has ramMin.",
    "--param": "Write --range or --scatter.",
    "--copies": "Write --range, with an input that takes the number.",
}

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
        try:
            return super().parse_args(ctx, args[:at])
        except typer.TyperException as error:
            option = getattr(error, "option_name", None)
            if option is None or (option not in OTHERWISE and getattr(error, "possibilities", None)):
                raise
            hint = OTHERWISE.get(option, f"An input of the workflow goes after `--`: -- {option} VALUE")
            raise UsageFault(f"No such option: {option}", hint=hint) from error

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage line."""
        return [*super().collect_usage_pieces(ctx), "[-- --INPUT VALUE ...]"]
