"""The list of the application's operations, from its own document and its hidden routes."""

from fastapi import FastAPI


def operations(app: FastAPI) -> list[str]:
    """Return every documented operation as `METHOD /path/{with}/names`."""
    return [f"{method.upper()} {path}" for path, methods in app.openapi()["paths"].items() for method in methods]
