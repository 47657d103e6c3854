"""`weyl internal pack-engine`: the archive that runs CWL on nodes, for the Python that packs it."""

from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated

import typer

from weyl.client.errors import UsageFault
from weyl.client.results import Done, Result
from weyl.pilots import engines
from weyl.pilots.errors import BadEngine
from weyl.pilots.tarballs import SUFFIX

app = typer.Typer(help="What pilots are given.", no_args_is_help=True)


@app.command("pack-engine")
def pack_engine(
    *,
    output: Annotated[
        Path, typer.Option("--output", file_okay=False, help="Directory to write to, such as WEYL_ENGINE_DIRECTORY.")
    ] = Path(),
) -> Result:
    """Pack the engine that runs CWL, for nodes with the Python, the machine and the C library of this environment.

    Example: weyl internal pack-engine --output /srv/weyl/engines
    """
    try:
        made_of = engines.source()
        with NamedTemporaryFile(dir=output, delete=False) as file:
            fresh = Path(file.name)
            try:
                engines.pack(made_of, file)
                file.close()
                engine = engines.read_engine(fresh)
                needs = engine.needs
                path = output / f"weyl-engine-{needs.python}-{needs.machine}-{engine.sha256[:12]}{SUFFIX}"
                fresh.chmod(0o644)
                fresh.rename(path)
            except BaseException:
                fresh.unlink(missing_ok=True)
                raise
    except BadEngine as error:
        raise UsageFault(f"The engine cannot be packed here: {error.detail}.") from error
    except OSError as error:
        raise UsageFault(f"{output} cannot be written: {error.strerror}.") from error
    return Done(
        f"{path} is for Python {needs.python}, {needs.machine} and {needs.libc} or newer",
        document={"file": str(path), **engine.told()},
    )
