"""The rules of campaigns: how they are written, which exist, and who may submit to them when."""

import re
from collections.abc import Collection, Sequence
from typing import Any

from example_vo.section import ExampleVO
from weyl.extension import Asked
from weyl.jobs.additions import Candidate, Submitting
from weyl.kit.errors import Forbidden

MANAGER = "CampaignManager"


def read_campaign(value: Any) -> str:
    """Return the name of a campaign as it is kept; raises `ValueError` if it is none."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z]{2}\d{2}", value):
        raise ValueError('must be two letters and two digits in quotes, such as "MC26"')
    return value.upper()


def refusals(candidates: Sequence[Candidate], submitting: Submitting) -> dict[int, str]:
    """Refuse jobs of campaigns that the configuration does not list."""
    known = submitting.config.section(ExampleVO).campaigns
    unknown = {candidate.index: _unknown(candidate, known) for candidate in candidates}
    return {
        index: f"Campaign {', '.join(names)} does not exist; there are: {', '.join(known) or 'none'}"
        for index, names in unknown.items()
        if names
    }


def _unknown(candidate: Candidate, known: Collection[str]) -> list[str]:
    named = {str(form["Campaign"]).upper() for form in candidate.forms("Campaign") if form.get("Campaign")}
    return sorted(named.difference(known))


def may_submit(asked: Asked) -> None:
    """Refuse submissions while the configuration says that campaigns are frozen, but not those of their managers."""
    if asked.config.section(ExampleVO).is_frozen and not asked.user.has(MANAGER):
        raise Forbidden(f"Campaigns are frozen: only holders of {MANAGER} may submit now")
