"""SQL that recounts what the triggers on jobs keep: how many jobs run behind each gate of a limit."""

from typing import NamedTuple

from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class Miscounted(NamedTuple):
    """A gate behind which another number of jobs or cores runs than was thought."""

    key: str
    was: int
    runs: int


# What a rule counts, and by which values, is as in `triggers.sql`.
_COUNT_GATES = Sql(
    """
    WITH counted AS (
      SELECT r.rule
          || CASE WHEN r.site = '*' THEN chr(31) || j.site ELSE '' END
          || CASE WHEN r.ce = '*' THEN chr(31) || j.ce ELSE '' END
          || CASE WHEN r.job_type = '*' THEN chr(31) || j.job_type ELSE '' END
          || CASE WHEN r.owner_group = '*' THEN chr(31) || j.owner_group ELSE '' END
          || CASE WHEN r.owner = '*' THEN chr(31) || j.owner ELSE '' END AS key,
        r.rule, sum(j.jobs)::bigint AS jobs, sum(j.cores)::bigint AS cores
      FROM (
        SELECT vo, site, coalesce(ce, '') AS ce, job_type, owner_group, owner, count(*) AS jobs,
          sum(coalesce((allocated ->> 'cores')::bigint, 1)) AS cores
        FROM jobs WHERE job_is_active(status) GROUP BY 1, 2, 3, 4, 5, 6
      ) j
      JOIN match_rule r ON r.vo = j.vo AND r.site IN ('', '*', j.site) AND r.ce IN ('', '*', j.ce)
        AND r.job_type IN ('', '*', j.job_type) AND r.owner_group IN ('', '*', j.owner_group)
        AND r.owner IN ('', '*', j.owner)
      GROUP BY 1, 2
    ), gone AS (
      DELETE FROM match_gate_delta RETURNING key, jobs, cores
    ), held AS (
      SELECT key, sum(jobs)::bigint AS jobs, sum(cores)::bigint AS cores FROM (
        SELECT key, used_jobs AS jobs, used_cores AS cores FROM match_gate UNION ALL SELECT * FROM gone
      ) h GROUP BY key
    ), written AS (
      INSERT INTO match_gate AS g (key, rule, used_jobs, used_cores)
      SELECT coalesce(c.key, k.key), coalesce(c.rule, k.rule), coalesce(c.jobs, 0), coalesce(c.cores, 0)
      FROM counted c FULL JOIN match_gate k USING (key)
      ON CONFLICT (key) DO UPDATE SET used_jobs = excluded.used_jobs, used_cores = excluded.used_cores
    )
    SELECT coalesce(c.key, h.key) AS key, coalesce(h.jobs, 0) AS was, coalesce(c.jobs, 0) AS runs
    FROM counted c FULL JOIN held h USING (key)
    WHERE coalesce(h.jobs, 0) <> coalesce(c.jobs, 0) OR coalesce(h.cores, 0) <> coalesce(c.cores, 0)
    """,
    Miscounted,
)


async def count_gates(tx: Tx) -> list[Miscounted]:
    """Count what runs behind each gate anew; returns those that were wrong. The limits must be stopped."""
    return await _COUNT_GATES.rows(tx)
