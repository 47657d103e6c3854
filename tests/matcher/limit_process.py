"""A process with a matcher of its own, for the test of limits: asks as many pilots until it is told to stop, or killed.

python -m tests.matcher.limit_process DATABASE_URL CONFIG_URL KEYS_FILE SEED
"""

import asyncio
import random
import signal
import sys
from pathlib import Path

from tests.infra.app import URL
from tests.matcher.conftest import ALPHA, BETA, a_pilot, a_request

from weyl.auth.keys import KeySet
from weyl.config.service import ConfigStore
from weyl.kit.db import Database
from weyl.kit.following import following
from weyl.matcher.offers import Place
from weyl.matcher.service.answers import JobTokens
from weyl.matcher.service.matcher import Matcher
from weyl.resource_status.service.board import StatusBoard

PILOTS = 6


def place_of(stamp: str) -> Place:
    """Return where a pilot runs: half of them here, half there."""
    return (ALPHA, BETA)[int(stamp, 16) % 2]


async def ask(matcher: Matcher, chance: random.Random, stop: asyncio.Event) -> None:
    """Ask as ever new pilots, here and there, for one job or several."""
    while not stop.is_set():
        stamp = f"{chance.getrandbits(128):032x}"
        pilot = a_pilot(stamp, place_of(stamp))
        request = a_request(count=chance.choice([1, 1, 1, 4]), fill=chance.random() < 0.3)
        answer = await matcher.match(pilot, request)
        if not answer.jobs:
            await asyncio.sleep(0.02)


async def run(database_url: str, config_url: str, keys: str, seed: int) -> None:
    """Match until SIGTERM."""
    db, config = Database(database_url, pool_size=4), ConfigStore(config_url, check_every_s=0.2)
    await config.start()
    tokens = JobTokens(KeySet(keys, issuer=URL + "/"), lifetime_s=1200)
    matcher = Matcher(db, StatusBoard(db, config), tokens=tokens, sweep_every_s=1)
    stop, chance = asyncio.Event(), random.Random(seed)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with following(*matcher.followers):
        print("ready", flush=True)
        await asyncio.gather(*(ask(matcher, chance, stop) for _ in range(PILOTS)))
    await matcher.close()
    await config.stop()
    await db.close()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2], Path(sys.argv[3]).read_text(), int(sys.argv[4])))
