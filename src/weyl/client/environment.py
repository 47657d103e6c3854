"""What the client reads from the environment: each WEYL_X falls back to the DIRACX_X that users may have set."""

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from weyl.client.errors import UsageFault


def variable(name: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return WEYL_<name>, else DIRACX_<name>, else None; an empty value counts as unset."""
    return environ.get(f"WEYL_{name}") or environ.get(f"DIRACX_{name}") or None


def server_url(environ: Mapping[str, str] = os.environ) -> str:
    """Return the address of the installation, or say which variable is missing."""
    url = variable("URL", environ)
    if not url:
        raise UsageFault(
            "No server address is set.",
            hint="Set WEYL_URL (or pass --url) to the address of your installation, such as https://weyl.example.org; "
            "your community's support page has it.",
        )
    return checked_url(url, "Correct WEYL_URL.")


def checked_url(url: str, hint: str) -> str:
    """Return the address of an installation as the client wants it, or say that it is none."""
    if not url.startswith(("http://", "https://")):
        raise UsageFault(f"The server address {url!r} does not start with http:// or https://.", hint=hint)
    address = url.rstrip("/")
    if address.endswith("/api"):
        raise UsageFault(
            f"The server address {url!r} is that of the API.", hint=f"Use the address before it: {address[:-4]}"
        )
    return address


def credentials_path(profile: str | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return where the login of a profile is kept."""
    profile = profile or environ.get("WEYL_PROFILE") or None
    if profile is None:
        explicit = variable("CREDENTIALS_PATH", environ)
        if explicit:
            return Path(explicit).expanduser()
    if profile and not profile.replace("-", "").replace("_", "").isalnum():
        raise UsageFault(
            f"The profile name {profile!r} may hold letters, digits, - and _ only.", hint="Choose another name."
        )
    return cache_directory(environ) / (f"credentials-{profile}.json" if profile else "credentials.json")


def cache_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where logins are kept, and what later commands may want to know of earlier ones."""
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "weyl"


def load_dotenv(environ: MutableMapping[str, str] = os.environ) -> None:
    """Add the variables of the file named by WEYL_DOTENV to the environment; what is set already stays."""
    name = variable("DOTENV", environ)
    if not name:
        return
    try:
        text = Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageFault(f"Cannot read {name}: {error.strerror}.", hint="Correct or unset WEYL_DOTENV.") from error
    for line in text.splitlines():
        key, separator, value = line.strip().removeprefix("export ").partition("=")
        if separator and key and not key.startswith("#"):
            environ.setdefault(key.strip(), value.strip().strip("'\""))
