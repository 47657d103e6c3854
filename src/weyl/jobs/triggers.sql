-- Edition 1
-- Triggers and functions of the room `jobs` as they are now. `weyl db migrate` runs this file when it has
-- changed: every statement must be safe to run again. How to change it: docs/developer/migrations.md

-- A pilot has the job: the statuses of `weyl.jobs.states.ACTIVE`. The planner puts the body in the place of a call, so
-- the partial indexes on active jobs serve conditions that name the function.
CREATE OR REPLACE FUNCTION job_is_active(status text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT status IN ('Matched', 'Running', 'Completing', 'Stalled')
$$;

-- Counts of jobs by what summaries ask for (decision 3). A trigger per statement, not per row: 100,000 inserted jobs of
-- one kind become one delta.

CREATE OR REPLACE FUNCTION jobs_count_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO job_count_deltas (vo, owner, owner_group, job_type, job_group, site, status, minor_status, delta)
  SELECT vo, owner, owner_group, job_type, job_group, site, status, minor_status, sum(delta)
  FROM (
    SELECT vo, owner, owner_group, job_type, job_group, site, status, minor_status, 1 AS delta FROM gained
  ) AS changed
  GROUP BY vo, owner, owner_group, job_type, job_group, site, status, minor_status HAVING sum(delta) <> 0;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER jobs_count_insert AFTER INSERT ON jobs
REFERENCING NEW TABLE AS gained
FOR EACH STATEMENT EXECUTE FUNCTION jobs_count_inserted();

CREATE OR REPLACE FUNCTION jobs_count_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO job_count_deltas (vo, owner, owner_group, job_type, job_group, site, status, minor_status, delta)
  SELECT vo, owner, owner_group, job_type, job_group, site, status, minor_status, sum(delta)
  FROM (
    SELECT vo, owner, owner_group, job_type, job_group, site, status, minor_status, 1 AS delta FROM gained
    UNION ALL
    SELECT vo, owner, owner_group, job_type, job_group, site, status, minor_status, -1 AS delta FROM lost
  ) AS changed
  GROUP BY vo, owner, owner_group, job_type, job_group, site, status, minor_status HAVING sum(delta) <> 0;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER jobs_count_update AFTER UPDATE ON jobs
REFERENCING OLD TABLE AS lost NEW TABLE AS gained
FOR EACH STATEMENT EXECUTE FUNCTION jobs_count_updated();

CREATE OR REPLACE FUNCTION jobs_count_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO job_count_deltas (vo, owner, owner_group, job_type, job_group, site, status, minor_status, delta)
  SELECT vo, owner, owner_group, job_type, job_group, site, status, minor_status, sum(delta)
  FROM (
    SELECT vo, owner, owner_group, job_type, job_group, site, status, minor_status, -1 AS delta FROM lost
  ) AS changed
  GROUP BY vo, owner, owner_group, job_type, job_group, site, status, minor_status HAVING sum(delta) <> 0;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER jobs_count_delete AFTER DELETE ON jobs
REFERENCING OLD TABLE AS lost
FOR EACH STATEMENT EXECUTE FUNCTION jobs_count_deleted();

-- What runs behind the gates of limits (decision 15): a journal of differences, written once per statement. No mover of
-- jobs can forget it, and none waits for another. What a rule counts is a function of the rows that a statement found
-- and left, so changes of owner or site count too. The lock is `LIMITS_LOCK` of `weyl.task_queues.queries.limits`:
-- whoever changes the rules or counts anew holds it exclusively.

CREATE OR REPLACE FUNCTION jobs_gate_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM gained WHERE job_is_active(status)) THEN
    PERFORM pg_advisory_xact_lock_shared(7142001);
    IF EXISTS (SELECT FROM match_rule) THEN
      INSERT INTO match_gate_delta (key, jobs, cores)
      SELECT r.rule
          || CASE WHEN r.site = '*' THEN chr(31) || m.site ELSE '' END
          || CASE WHEN r.ce = '*' THEN chr(31) || m.ce ELSE '' END
          || CASE WHEN r.job_type = '*' THEN chr(31) || m.job_type ELSE '' END
          || CASE WHEN r.owner_group = '*' THEN chr(31) || m.owner_group ELSE '' END
          || CASE WHEN r.owner = '*' THEN chr(31) || m.owner ELSE '' END,
        sum(m.jobs), sum(m.cores)
      FROM (
        SELECT vo, coalesce(site, '') AS site, coalesce(ce, '') AS ce, coalesce(job_type, '') AS job_type,
          coalesce(owner_group, '') AS owner_group, coalesce(owner, '') AS owner,
          sum(jobs) AS jobs, sum(cores) AS cores
        FROM (
          SELECT vo, site, ce, job_type, owner_group, owner, 1 AS jobs,
            coalesce((allocated ->> 'cores')::bigint, 1) AS cores
          FROM gained WHERE job_is_active(status)
        ) AS moved
        GROUP BY vo, site, ce, job_type, owner_group, owner HAVING sum(jobs) <> 0 OR sum(cores) <> 0
      ) AS m
      JOIN match_rule r ON r.vo = m.vo AND r.site IN ('', '*', m.site) AND r.ce IN ('', '*', m.ce)
        AND r.job_type IN ('', '*', m.job_type) AND r.owner_group IN ('', '*', m.owner_group)
        AND r.owner IN ('', '*', m.owner)
      GROUP BY 1 HAVING sum(m.jobs) <> 0 OR sum(m.cores) <> 0;
    END IF;
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER jobs_gate_insert AFTER INSERT ON jobs
REFERENCING NEW TABLE AS gained
FOR EACH STATEMENT EXECUTE FUNCTION jobs_gate_insert();

CREATE OR REPLACE FUNCTION jobs_gate_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM gained WHERE job_is_active(status))
    OR EXISTS (SELECT FROM lost WHERE job_is_active(status)) THEN
    PERFORM pg_advisory_xact_lock_shared(7142001);
    IF EXISTS (SELECT FROM match_rule) THEN
      INSERT INTO match_gate_delta (key, jobs, cores)
      SELECT r.rule
          || CASE WHEN r.site = '*' THEN chr(31) || m.site ELSE '' END
          || CASE WHEN r.ce = '*' THEN chr(31) || m.ce ELSE '' END
          || CASE WHEN r.job_type = '*' THEN chr(31) || m.job_type ELSE '' END
          || CASE WHEN r.owner_group = '*' THEN chr(31) || m.owner_group ELSE '' END
          || CASE WHEN r.owner = '*' THEN chr(31) || m.owner ELSE '' END,
        sum(m.jobs), sum(m.cores)
      FROM (
        SELECT vo, coalesce(site, '') AS site, coalesce(ce, '') AS ce, coalesce(job_type, '') AS job_type,
          coalesce(owner_group, '') AS owner_group, coalesce(owner, '') AS owner,
          sum(jobs) AS jobs, sum(cores) AS cores
        FROM (
          SELECT vo, site, ce, job_type, owner_group, owner, 1 AS jobs,
            coalesce((allocated ->> 'cores')::bigint, 1) AS cores
          FROM gained WHERE job_is_active(status)
          UNION ALL
          SELECT vo, site, ce, job_type, owner_group, owner, -1 AS jobs,
            -coalesce((allocated ->> 'cores')::bigint, 1) AS cores
          FROM lost WHERE job_is_active(status)
        ) AS moved
        GROUP BY vo, site, ce, job_type, owner_group, owner HAVING sum(jobs) <> 0 OR sum(cores) <> 0
      ) AS m
      JOIN match_rule r ON r.vo = m.vo AND r.site IN ('', '*', m.site) AND r.ce IN ('', '*', m.ce)
        AND r.job_type IN ('', '*', m.job_type) AND r.owner_group IN ('', '*', m.owner_group)
        AND r.owner IN ('', '*', m.owner)
      GROUP BY 1 HAVING sum(m.jobs) <> 0 OR sum(m.cores) <> 0;
    END IF;
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER jobs_gate_update AFTER UPDATE ON jobs
REFERENCING OLD TABLE AS lost NEW TABLE AS gained
FOR EACH STATEMENT EXECUTE FUNCTION jobs_gate_update();

CREATE OR REPLACE FUNCTION jobs_gate_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM lost WHERE job_is_active(status)) THEN
    PERFORM pg_advisory_xact_lock_shared(7142001);
    IF EXISTS (SELECT FROM match_rule) THEN
      INSERT INTO match_gate_delta (key, jobs, cores)
      SELECT r.rule
          || CASE WHEN r.site = '*' THEN chr(31) || m.site ELSE '' END
          || CASE WHEN r.ce = '*' THEN chr(31) || m.ce ELSE '' END
          || CASE WHEN r.job_type = '*' THEN chr(31) || m.job_type ELSE '' END
          || CASE WHEN r.owner_group = '*' THEN chr(31) || m.owner_group ELSE '' END
          || CASE WHEN r.owner = '*' THEN chr(31) || m.owner ELSE '' END,
        sum(m.jobs), sum(m.cores)
      FROM (
        SELECT vo, coalesce(site, '') AS site, coalesce(ce, '') AS ce, coalesce(job_type, '') AS job_type,
          coalesce(owner_group, '') AS owner_group, coalesce(owner, '') AS owner,
          sum(jobs) AS jobs, sum(cores) AS cores
        FROM (
          SELECT vo, site, ce, job_type, owner_group, owner, -1 AS jobs,
            -coalesce((allocated ->> 'cores')::bigint, 1) AS cores
          FROM lost WHERE job_is_active(status)
        ) AS moved
        GROUP BY vo, site, ce, job_type, owner_group, owner HAVING sum(jobs) <> 0 OR sum(cores) <> 0
      ) AS m
      JOIN match_rule r ON r.vo = m.vo AND r.site IN ('', '*', m.site) AND r.ce IN ('', '*', m.ce)
        AND r.job_type IN ('', '*', m.job_type) AND r.owner_group IN ('', '*', m.owner_group)
        AND r.owner IN ('', '*', m.owner)
      GROUP BY 1 HAVING sum(m.jobs) <> 0 OR sum(m.cores) <> 0;
    END IF;
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER jobs_gate_delete AFTER DELETE ON jobs
REFERENCING OLD TABLE AS lost
FOR EACH STATEMENT EXECUTE FUNCTION jobs_gate_delete();

-- What an error says apart from when, where, to whom and to what it happened: failures that are alike have one text.
-- The steps run in this order; each puts a word in angle brackets in the place of what differs.
CREATE OR REPLACE FUNCTION job_failure_text(told text, owner text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  upper_case CONSTANT text := 'ABCDEFGHIJKLMNOPQRSTUVWXYZ' || E'\t\n\v\f\r';
  lower_case CONSTANT text := 'abcdefghijklmnopqrstuvwxyz     ';
  -- `exited with status 137`, `exit code: 3`, `returned code 1`, `signal 9`
  exit_code CONSTANT text := '((?:exit(?:ed)?(?: with)?(?: (?:status|code))*|(?:ended|returned)(?: with)?'
    || ' (?:status|code)|signal)[:=]? *)(-?[0-9]{1,3})(?![.]?[0-9a-z_])';
  said text := translate(told, upper_case, lower_case);
  name text := translate(owner, upper_case, lower_case);
  code text := (regexp_match(said, exit_code))[2];
BEGIN
  -- An exit code is no particular: 1, 127 and 137 have different causes. The first one stands at the end as it was.
  IF code IS NOT NULL THEN
    said := regexp_replace(said, exit_code, '\1<exit>');
  END IF;
  IF name ~ '^[a-z0-9_.-]{3,}$' THEN
    said := regexp_replace(
      said, '(^|[^a-z0-9_])' || replace(name, '.', '[.]') || '(?![a-z0-9_])', '\1<user>', 'g');
  END IF;
  said := regexp_replace(said, '[a-z][a-z0-9+.-]*://[^ ,;)''\"]*', '<url>', 'g');
  said := regexp_replace(said, '[a-z0-9._%+-]+@[a-z0-9.-]+', '<email>', 'g');
  said := regexp_replace(said, '(^|[^a-z0-9])''[^'']*''', '\1<text>', 'g');
  said := regexp_replace(said, '"[^"]*"', '<text>', 'g');
  said := regexp_replace(said, '`[^`]*`', '<text>', 'g');
  said := regexp_replace(said, '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}', '<id>', 'g');
  said := regexp_replace(
    said, '[0-9]{4}-[0-9]{2}-[0-9]{2}([t ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?)?', '<time>', 'g');
  said := regexp_replace(said, '[0-9]{1,2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?', '<time>', 'g');
  said := regexp_replace(said, '(^|[ (=:,])(lfn:|pfn:)?/[^ ,;:()]+', '\1<path>', 'g');
  said := regexp_replace(said, '[0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}', '<host>', 'g');
  said := regexp_replace(said, '(^|[^a-z0-9_])[a-z0-9-]+([.][a-z0-9-]+)+[.][a-z]{2,5}(?![a-z0-9_])', '\1<host>', 'g');
  said := regexp_replace(said, '0x[0-9a-f]+', '<hex>', 'g');
  said := regexp_replace(said, '(^|[^a-z0-9_])[0-9]+([.][0-9]+)*(?![a-z0-9_])', '\1<n>', 'g');
  said := regexp_replace(said, '(^|[^a-z0-9_])(?=[a-f]*[0-9])[0-9a-f]{6,}(?![a-z0-9_])', '\1<hex>', 'g');
  said := regexp_replace(said, '[0-9]+([.][0-9]+)*', '<n>', 'g');
  said := regexp_replace(said, ' +', ' ', 'g');
  IF code IS NOT NULL THEN
    said := replace(said, '<exit>', code);
  END IF;
  RETURN left(btrim(said, ' '), 200);
END $$;

-- What a failed job says of its failure, what of it is not particular, and the name of all failures that say the same.
CREATE OR REPLACE FUNCTION job_failure(minor_status text, application_status text, owner text,
                                       OUT told text, OUT said text, OUT signature text)
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  told := minor_status
    || CASE WHEN application_status IN ('', 'Unknown') THEN '' ELSE ': ' || application_status END;
  said := job_failure_text(told, owner);
  signature := left(encode(sha256(convert_to(said, 'UTF8')), 'hex'), 16);
END $$;

-- Before the row is written, so that no statement that fails jobs can forget it; rows that neither fail nor have failed
-- never come here. A job that has failed already may say more later: its failure moves to the other signature.
CREATE OR REPLACE FUNCTION jobs_sign() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  failure record;
BEGIN
  NEW.signature := NULL;
  IF NEW.status = 'Failed' THEN
    failure := job_failure(NEW.minor_status, NEW.application_status, NEW.owner);
    NEW.signature := failure.signature;
  END IF;
  IF TG_OP = 'UPDATE' AND OLD.status = 'Failed' AND NEW.status = 'Failed' THEN
    IF NEW.signature IS NOT DISTINCT FROM OLD.signature THEN RETURN NEW; END IF;
    IF OLD.signature IS NOT NULL THEN
      INSERT INTO failure_deltas (vo, signature, at, site, owner, job_id, delta)
      VALUES (OLD.vo, OLD.signature, OLD.last_update_time, OLD.site, OLD.owner, OLD.job_id, -1);
    END IF;
  END IF;
  IF NEW.signature IS NOT NULL THEN
    INSERT INTO failure_deltas (vo, signature, at, site, owner, job_id, delta, text, example)
    VALUES (NEW.vo, NEW.signature, NEW.last_update_time, NEW.site, NEW.owner, NEW.job_id, 1,
      failure.said, failure.told);
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER jobs_sign_insert BEFORE INSERT ON jobs
FOR EACH ROW WHEN (NEW.status = 'Failed')
EXECUTE FUNCTION jobs_sign();

CREATE OR REPLACE TRIGGER jobs_sign_update BEFORE UPDATE ON jobs
FOR EACH ROW WHEN (
  (OLD.status <> NEW.status AND 'Failed' IN (OLD.status, NEW.status))
  OR (NEW.status = 'Failed' AND (
    NEW.signature IS NULL
    OR NEW.minor_status <> OLD.minor_status
    OR NEW.application_status <> OLD.application_status))
)
EXECUTE FUNCTION jobs_sign();
