"""The section `Extensions: example_vo` of the configuration."""

from pydantic import Field

from weyl.config.section import Section


class ExampleVO(Section):
    """What the administrator of the installation decides about campaigns."""

    campaigns: list[str] = Field(default_factory=list)
    is_frozen: bool = False
    kept_days: int = Field(default=30, ge=1)
