"""`weyl certify`: goes through what users of an installation do, and says for each whether it works."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from weyl.certify import access, files, jobs
from weyl.certify.trials import Bench, NotTried, Trial, TrialFailed, bench
from weyl.client.command import Session, session_of
from weyl.client.errors import ClientError
from weyl.client.results import Done, Parts, Result, Rows
from weyl.client.times import parse_span
from weyl.file_catalog import calls as catalog
from weyl.jobs.calls import changes

FAILED_EXIT = 9
COLUMNS = ("Check", "State", "Seconds", "Finding", "Advice")

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def certify(
    context: typer.Context,
    url: Annotated[
        str | None, typer.Argument(metavar="URL", help="Address of the installation, instead of WEYL_URL.")
    ] = None,
    *,
    site: Annotated[
        list[str] | None, typer.Option("--site", metavar="SITE", help="Run the jobs there; may be repeated.")
    ] = None,
    timeout: Annotated[str, typer.Option("--timeout", metavar="SPAN", help="How long to wait for one job.")] = "15m",
) -> Result:
    """Certifies an installation: runs jobs, moves files and tries what must be refused, as a user of your VO.

    Everybody who may submit jobs can do this. It submits five small jobs and writes one small file to each storage
    element that can be written; all are deleted at the end. The exit code is 9 if something does not work.

    Example: weyl certify https://weyl.example.org --site LCG.CERN.ch -o json > certificate.json
    """
    session = session_of(context)
    if url is not None:
        session.options.url = url
    return Parts(_parts(session, site or [], parse_span(timeout).total_seconds()))


def _parts(session: Session, sites: list[str], timeout_s: float) -> Iterator[Result]:
    session.client.token()  # who is not logged in learns it before anything is tried
    states: list[str] = []
    rows = _rows(session, sites, timeout_s, states)
    yield Rows(rows, columns=COLUMNS, id_column="Check", unit="checks")
    failed = states.count("failed")
    worked = states.count("ok")
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    if failed:
        yield Done(f"{session.client.url} is NOT certified: {failed} of {failed + worked} checks failed, {when}.")
    else:
        yield Done(f"{session.client.url} is certified: all {worked} checks passed, {when}.")
    yield Done(exit_code=FAILED_EXIT if failed else 0)


def _rows(session: Session, sites: list[str], timeout_s: float, states: list[str]) -> Iterator[dict[str, Any]]:
    with bench(session, sites=sites, timeout_s=timeout_s) as made:
        try:
            for trial in _trials(made):
                row = _tried(made, trial)
                states.append(row["State"])
                yield row
        finally:
            _clean(made)


def _trials(made: Bench) -> Iterator[Trial]:
    yield from access.TRIALS
    yield from files.trials(made)
    yield from jobs.TRIALS


def _tried(made: Bench, trial: Trial) -> dict[str, Any]:
    begun = time.monotonic()
    state, advice = "ok", ""
    try:
        finding = trial.run(made)
    except TrialFailed as fault:
        state, finding, advice = "failed", str(fault), fault.advice
    except NotTried as reason:
        state, finding = "not tried", str(reason)
    except ClientError as error:
        state, finding, advice = "failed", error.message, error.hint
    seconds = round(time.monotonic() - begun, 1)
    return dict(zip(COLUMNS, (trial.name, state, seconds, finding, advice), strict=True))


def _clean(made: Bench) -> None:
    """Delete the jobs and files of the trials; what cannot be deleted is named."""
    try:
        if made.job_ids:
            made.session.client.send(changes.kill(made.job_ids))
            made.session.client.send(changes.delete(made.job_ids))
        if made.lfns:
            made.session.client.send(catalog.delete(made.lfns, reason="a trial of weyl certify"))
            made.session.client.send(catalog.remove_directories([made.lfns[0].rpartition("/")[0]]))
    except ClientError as error:
        left = f"job group {made.mark}" + (f", {', '.join(made.lfns)}" if made.lfns else "")
        made.session.say(f"Not everything could be deleted ({error.message}): {left}")
