"""`weyl internal generate-keys` and `rotate-keys`: the keys that sign the tokens of an installation."""

from pathlib import Path
from typing import Annotated

import typer

from weyl.auth.keys import ALGORITHMS, InvalidKeys, generate_keys, rotate_keys, write_keys
from weyl.client.errors import UsageFault
from weyl.client.results import Done, Result

app = typer.Typer(help="Keys of an installation.", no_args_is_help=True)

KeyFile = Annotated[Path, typer.Argument(help="The key file, as WEYL_KEYS names it.")]
Algorithm = Annotated[str, typer.Option(help=" or ".join(ALGORITHMS[::-1]) + ".")]


@app.command("generate-keys")
def generate(file: KeyFile, *, algorithm: Algorithm = "Ed25519") -> Result:
    """Create the keys that sign tokens; an existing file is left alone.

    Example: weyl internal generate-keys /etc/weyl/keys.json
    """
    if file.exists():
        raise UsageFault(f"{file} exists.", hint=f"To replace the signing key: weyl internal rotate-keys {file}")
    try:
        write_keys(file, generate_keys(algorithm))
    except InvalidKeys as error:
        raise UsageFault(f"{error}.") from error
    return Done(f"{file} holds a new {algorithm} key", document={"file": str(file), "algorithm": algorithm})


@app.command("rotate-keys")
def rotate(file: KeyFile, *, algorithm: Algorithm = "Ed25519") -> Result:
    """Put a new signing key in front, and keep the old ones for checking; running servers notice by themselves.

    Example: weyl internal rotate-keys /etc/weyl/keys.json
    """
    try:
        write_keys(file, rotate_keys(file.read_text(), algorithm=algorithm))
    except (InvalidKeys, OSError) as error:
        raise UsageFault(f"{file} cannot be rotated: {error}.") from error
    return Done(f"{file} signs with a new {algorithm} key", document={"file": str(file), "algorithm": algorithm})
