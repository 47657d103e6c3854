"""What the room of the matcher hands in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from weyl.auth.keys import KEYS
from weyl.config.service import CONFIG
from weyl.jobs.additions import OUTLOOK
from weyl.kit.db import DATABASE
from weyl.kit.following import FOLLOWERS
from weyl.kit.metrics import METRICS
from weyl.kit.room import Room
from weyl.kit.services import BEFORE_STOP, Services
from weyl.matcher.additions import WORK_COMMANDS
from weyl.matcher.routes import explain_router, router
from weyl.matcher.service.explain import EXPLAINER, ORIGINS, PILOTS_SEEN, Explainer
from weyl.matcher.service.explain_offers import OFFER_EXPLAINER, OfferExplainer
from weyl.matcher.service.matcher import ADVICE, MATCHER, open_matcher
from weyl.matcher.tasks import tasks
from weyl.resource_status.service.board import STATUS_BOARD
from weyl.settings import SETTINGS


@asynccontextmanager
async def _serving(services: Services) -> AsyncIterator[None]:
    db, board, metrics = services[DATABASE], services[STATUS_BOARD], services[METRICS]
    opening = open_matcher(
        db,
        board,
        services[KEYS],
        token_lifetime_s=services[SETTINGS].access_token_minutes * 60,
        advice=services.later(ADVICE),
    )
    async with opening as matcher:
        pilots_seen, origins = services.later(PILOTS_SEEN), services.later(ORIGINS)
        explainer = Explainer(board, matcher, pilots_seen=pilots_seen, origins=origins)
        services.hold(MATCHER, matcher)
        services.hold(EXPLAINER, explainer)
        services.hold(OFFER_EXPLAINER, OfferExplainer(db, board, matcher))
        services.hold(OUTLOOK, explainer.outlook)
        services[FOLLOWERS].extend(matcher.followers)
        services[BEFORE_STOP].append(matcher.send_away)
        matcher.commands_of = services.later(WORK_COMMANDS)
        metrics.gauge(
            "weyl_matcher_classes", "Classes of waiting jobs in this process's index.", lambda: len(matcher.index)
        )
        matcher.observe = metrics.histogram(
            "weyl_match_duration_seconds", "Time from a pilot's question to its claim, without the wait for jobs."
        )
        yield


ROOM = Room(
    routers=[router, explain_router],
    serving=[_serving],
    tasks=[lambda services: tasks(services[DATABASE], services[CONFIG])],
)
