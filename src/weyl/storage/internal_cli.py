"""`weyl internal generate-storage-keys` and `rotate-storage-keys`: the keys that sign tokens for storage elements."""

from pathlib import Path
from typing import Annotated

import typer

from weyl.auth.keys import write_keys
from weyl.client.errors import UsageFault
from weyl.client.results import Done, Result
from weyl.kit.clock import unix_now
from weyl.storage.token_keys import InvalidTokenKeys, generate_token_keys, rotate_token_keys

app = typer.Typer(help="Keys for storage elements.", no_args_is_help=True)

KeyFile = Annotated[Path, typer.Argument(help="The key file, as WEYL_STORAGE_KEYS names it.")]


@app.command("generate-storage-keys")
def generate(file: KeyFile) -> Result:
    """Create the keys that sign tokens for storage elements; an existing file is left alone.

    Example: weyl internal generate-storage-keys /etc/weyl/storage-keys.json
    """
    if file.exists():
        raise UsageFault(
            f"{file} exists.", hint=f"To replace the signing key: weyl internal rotate-storage-keys {file}"
        )
    write_keys(file, generate_token_keys())
    return Done(f"{file} holds a new key and the next one", document={"file": str(file)})


@app.command("rotate-storage-keys")
def rotate(file: KeyFile) -> Result:
    """Let the next key sign, publish another one, and keep the old ones for as long as their tokens may be used.

    Running servers notice by themselves. Storage elements know the next key already; at most once a day is often
    enough.

    Example: weyl internal rotate-storage-keys /etc/weyl/storage-keys.json
    """
    try:
        write_keys(file, rotate_token_keys(file.read_text(), now=unix_now()))
    except (InvalidTokenKeys, OSError) as error:
        raise UsageFault(f"{file} cannot be rotated: {error}.") from error
    return Done(f"{file} signs with the next key", document={"file": str(file)})
