"""Finds the examples: in an installed wheel beside this file, in a checkout at its root."""

from pathlib import Path

PLACES = (Path(__file__).with_name("example_payloads"), Path(__file__).resolve().parents[3] / "examples")


def example_directory(name: str) -> Path:
    """Return the directory of an example; raises `FileNotFoundError` if this installation has none."""
    for place in PLACES:
        if (place / name).is_dir():
            return place / name
    raise FileNotFoundError(f"The example {name} is not part of this installation")
