"""The load that the contract promises: 100,000 jobs in one call, then pages of 10,000."""

import pytest

from tests.compat.clients import Json, People, eventually
from tests.compat.installation import jdl, new_group, of_group

pytestmark = [pytest.mark.xdist_group("compat"), pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    ("count", "page_size"), [(10_000, 2_500), pytest.param(100_000, 10_000, marks=pytest.mark.long)]
)
def test_very_many_jobs_in_one_call_then_all_pages(people: People, count: int, page_size: int) -> None:
    person = people("bob", "vob")
    group = new_group()
    body = {"$repeat": jdl(group, JobName="n{n}"), "times": count}
    jobs = person.call("sync", "jobs.submit_jdl_jobs", body).ok()
    ids = [job["JobID"] for job in jobs]
    assert len(set(ids)) == count
    assert ids == sorted(ids)

    sort = [{"parameter": "JobID", "direction": "asc"}]
    found = []
    for page in range(1, count // page_size + 1):
        answer = person.call(
            *("sync", "jobs.search"),
            parameters=["JobID", "JobName"],
            search=[of_group(group)],
            sort=sort,
            page=page,
            per_page=page_size,
        )
        found += answer.ok()
        first = (page - 1) * page_size
        assert answer.headers["content-range"] == f"jobs {first}-{first + page_size - 1}/{count}"
    assert [row["JobID"] for row in found] == ids
    assert [row["JobName"] for row in found] == [f"n{number}" for number in range(count)]

    def counts() -> list[Json]:
        return list(person.call("sync", "jobs.summary", grouping=["Status"], search=[of_group(group)]).ok())

    # Also so that the tests that follow find a worker without a queue.
    eventually(lambda: counts() == [{"Status": "Waiting", "count": count}], timeout_s=120, what="Waiting of all")
