-- Edition 1
-- Triggers and functions of the room `accounting` as they are now. `weyl db migrate` runs this file when it has
-- changed: every statement must be safe to run again. How to change it: docs/developer/migrations.md

-- Figures of nodes are bounded as in `weyl.jobs.models.values`, and times of nodes by ours: what is outside was not
-- measured, and a sum that overflows would keep the job from ending (decision 19).

-- A run ends when its job ends, or when the job leaves the node to run again. Of a run that was lost the last sign of
-- life counts: nobody knows what it did after that.
CREATE OR REPLACE FUNCTION jobs_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  WITH ended AS (
    SELECT n.job_id, n.vo, n.owner, n.owner_group, n.job_type, n.job_group, o.site, o.ce, o.pilot_stamp,
      CASE WHEN n.status IN ('Received', 'Checking', 'Waiting') THEN 'Rescheduled' ELSE n.status END AS status,
      n.minor_status, o.reschedule_counter AS attempt, n.submission_time AS submitted_at,
      coalesce(o.start_exec_time, n.start_exec_time) AS started_at,
      coalesce(CAST(o.allocated->>'cores' AS integer), 1) AS cores,
      n.minor_status LIKE 'Job stalled%' AS lost,
      least(
        coalesce(CASE WHEN n.minor_status LIKE 'Job stalled%' THEN o.heart_beat_time END,
          n.end_exec_time, n.last_update_time),
        now() + interval '1 day') AS ended_at
    FROM new_rows n JOIN old_rows o USING (job_id)
    WHERE o.status NOT IN ('Done', 'Completed', 'Failed', 'Killed', 'Deleted') AND (
      n.status IN ('Done', 'Completed', 'Failed', 'Killed', 'Deleted') OR (
        o.status IN ('Running', 'Stalled', 'Completing')
        AND n.status IN ('Rescheduled', 'Received', 'Checking', 'Waiting')))
  ), measured AS (
    SELECT e.*, least(greatest(0, coalesce(extract(epoch FROM e.ended_at - e.started_at), 0)), 1e9) AS wall_s,
      coalesce(f.cpu_s, 0) AS cpu_s, f.memory_kib_max
    FROM ended e LEFT JOIN LATERAL (
      SELECT max(cpu_consumed) FILTER (WHERE cpu_consumed BETWEEN 0 AND 1e13) AS cpu_s,
        max(memory_used) FILTER (WHERE memory_used BETWEEN 0 AND 2199023255552) AS memory_kib_max
      FROM job_heartbeats b
      WHERE b.job_id = e.job_id AND b.at >= e.started_at) f ON e.started_at IS NOT NULL
  ), kept AS (
    INSERT INTO job_records (job_id, vo, owner, owner_group, job_type, job_group, site, ce, pilot_stamp, status,
      minor_status, attempt, submitted_at, started_at, ended_at, cores, wall_s, cpu_s, core_s, memory_kib_max, lost)
    SELECT job_id, vo, owner, owner_group, job_type, job_group, site, ce, pilot_stamp, status, minor_status, attempt,
      submitted_at, started_at, ended_at, cores, wall_s, cpu_s, wall_s * cores, memory_kib_max, lost FROM measured
  )
  INSERT INTO job_hour_deltas (hour, vo, owner, owner_group, job_type, site, status, jobs, wall_s, cpu_s, core_s)
  SELECT date_trunc('hour', ended_at, 'UTC'), vo, owner, owner_group, job_type, site, status,
    count(*), sum(wall_s), sum(cpu_s), sum(wall_s * cores) FROM measured GROUP BY 1, 2, 3, 4, 5, 6, 7;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER jobs_account AFTER UPDATE ON jobs
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION jobs_account();

-- What a pilot had: jobs that have ended, and those that run, because jobs that are lost with it end in the same
-- transaction, but later. Of these the last sign of life counts, as in their own records.
CREATE OR REPLACE FUNCTION pilots_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  WITH ended AS (
    SELECT n.pilot_stamp, n.vo, n.grid_site AS site, n.destination_site AS ce, n.queue, n.status, n.status_reason,
      n.submission_time AS submitted_at, n.spoke_at AS started_at, n.ended_at,
      greatest(0, coalesce(extract(epoch FROM n.ended_at - n.spoke_at), 0)) AS wall_s
    FROM new_rows n JOIN old_rows o USING (pilot_id) WHERE o.ended_at IS NULL AND n.ended_at IS NOT NULL
  ), measured AS (
    SELECT e.*, coalesce(r.jobs, 0) AS jobs, coalesce(r.job_wall_s, 0) AS job_wall_s
    FROM ended e LEFT JOIN LATERAL (
      SELECT count(*) AS jobs, sum(wall_s) AS job_wall_s FROM (
        SELECT j.wall_s FROM job_records j WHERE j.pilot_stamp = e.pilot_stamp AND j.ended_at >= e.submitted_at
        UNION ALL
        SELECT least(greatest(0, coalesce(extract(epoch FROM
          least(coalesce(j.heart_beat_time, e.ended_at), now() + interval '1 day') - j.start_exec_time), 0)), 1e9)
        FROM jobs j WHERE j.pilot_stamp = e.pilot_stamp AND j.status IN ('Running', 'Stalled', 'Completing')
      ) run) r ON true
  ), kept AS (
    INSERT INTO pilot_records (pilot_stamp, vo, site, ce, queue, status, status_reason, submitted_at, started_at,
      ended_at, jobs, wall_s, job_wall_s)
    SELECT pilot_stamp, vo, site, ce, queue, status, status_reason, submitted_at, started_at, ended_at, jobs, wall_s,
      job_wall_s FROM measured
  )
  INSERT INTO pilot_hour_deltas (hour, vo, site, ce, queue, status, pilots, empty, jobs, wall_s, job_wall_s)
  SELECT date_trunc('hour', ended_at, 'UTC'), vo, site, ce, queue, status,
    count(*), count(*) FILTER (WHERE jobs = 0), sum(jobs), sum(wall_s), sum(job_wall_s)
  FROM measured GROUP BY 1, 2, 3, 4, 5, 6;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER pilots_account AFTER UPDATE ON pilots
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION pilots_account();
