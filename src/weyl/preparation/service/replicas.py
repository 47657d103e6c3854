"""Asks file catalogues where files are: once for all files of a batch, while no transaction is open."""

import asyncio
from collections.abc import Collection, Mapping, Sequence

import structlog

from weyl.config.models import Config
from weyl.file_catalog.drivers.catalog import CatalogUnavailable, File, FileCatalog
from weyl.preparation.verdicts import Found

CATALOG_TIMEOUT_S = 60.0
FILES_PER_QUESTION_MAX = 10_000

log = structlog.get_logger(__name__)


async def look_up(
    catalogs: Mapping[str, FileCatalog], wanted: Mapping[str, Collection[str]], config: Config
) -> dict[str, Found]:
    """Return what the catalogue of each VO knows of the files that its jobs want; one that fails says why."""
    asked = {vo: sorted(lfns) for vo, lfns in wanted.items() if lfns}
    answers = await asyncio.gather(*(_of_vo(catalogs, vo, lfns, config) for vo, lfns in asked.items()))
    return dict(zip(asked, answers, strict=True))


async def _of_vo(catalogs: Mapping[str, FileCatalog], vo: str, lfns: Sequence[str], config: Config) -> Found:
    name = str(config.operations[vo].input_data.catalog)
    catalog = catalogs.get(name)
    if catalog is None:
        return Found(unreachable=f"no such catalogue is installed; there are {', '.join(sorted(catalogs)) or 'none'}")
    known: dict[str, File] = {}
    try:
        for start in range(0, len(lfns), FILES_PER_QUESTION_MAX):
            async with asyncio.timeout(CATALOG_TIMEOUT_S):
                known.update(await catalog.locate(vo, lfns[start : start + FILES_PER_QUESTION_MAX], config))
    except CatalogUnavailable as error:
        reason = str(error)
    except TimeoutError:
        reason = f"it did not answer within {CATALOG_TIMEOUT_S:g} s"
    except Exception:
        # it may be an extension's: what is wrong with it is for the log, and the jobs are held
        log.exception("jobs.catalog_failed", vo=vo, catalog=name)
        reason = "it failed; the log of the worker says how"
    else:
        return Found(known)
    log.warning("jobs.catalog_unreachable", vo=vo, catalog=name, reason=reason)
    return Found(unreachable=reason)
