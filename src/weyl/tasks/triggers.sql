-- Edition 1
-- Triggers and functions of the room `tasks` as they are now. `weyl db migrate` runs this file when it has
-- changed: every statement must be safe to run again. How to change it: docs/developer/migrations.md

-- Locks, all or none, in one round trip: those that want the same key stand in line for as long as the statement takes
-- only. Each statement of the function sees what was committed while it waited at the gates.
CREATE OR REPLACE FUNCTION task_take(wanted_keys text[], wanted_modes text[], wanted_slots int[], the_holder text,
                                     the_task text, ttl_s float8, is_durable boolean)
RETURNS TABLE (taken_key text, taken_fencing bigint, is_refused boolean) LANGUAGE plpgsql AS $$
DECLARE
    gate text;
    refused text;
BEGIN
    IF NOT is_durable THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    FOR gate IN SELECT DISTINCT k FROM unnest(wanted_keys) k ORDER BY k LOOP
        PERFORM pg_advisory_xact_lock(hashtextextended('weyl task lock ' || gate, 0));
    END LOOP;
    SELECT w.key INTO refused FROM unnest(wanted_keys, wanted_modes, wanted_slots) AS w (key, mode, slots)
    WHERE CASE w.mode
        WHEN 'slot' THEN
            (SELECT count(*) FROM task_locks l WHERE l.key = w.key AND l.expires_at > clock_timestamp()) >= w.slots
        ELSE EXISTS (
            SELECT FROM task_locks l WHERE l.key = w.key AND l.expires_at > clock_timestamp()
            AND (w.mode = 'write' OR l.mode = 'write'))
        END
    ORDER BY w.key LIMIT 1;
    IF refused IS NOT NULL THEN
        RETURN QUERY SELECT refused, CAST(0 AS bigint), true;
        RETURN;
    END IF;
    DELETE FROM task_locks l WHERE l.key = ANY(wanted_keys) AND l.expires_at <= clock_timestamp();
    RETURN QUERY
    INSERT INTO task_locks AS l (key, holder, mode, task, since, expires_at, fencing)
    SELECT w.key, the_holder, w.mode, the_task, clock_timestamp(), clock_timestamp() + ttl_s * interval '1 s',
        nextval('task_fencing')
    FROM unnest(wanted_keys, wanted_modes) AS w (key, mode)
    RETURNING CAST(l.key AS text), l.fencing, false;
END $$;

-- How often the worker of a task died. The engine takes over in the statement that takes new tasks, too, and tells
-- nobody which is which. A trigger whose condition fails costs new tasks next to nothing, and the number comes back
-- with the row.
CREATE OR REPLACE FUNCTION task_count_death() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.headers = CASE WHEN jsonb_typeof(NEW.headers) = 'object' THEN NEW.headers ELSE '{}' END
        || jsonb_build_object('deaths', coalesce(CAST(OLD.headers ->> 'deaths' AS int), 0) + 1);
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER task_count_death BEFORE UPDATE OF queue_manager_id ON pgqueuer
FOR EACH ROW WHEN (OLD.status = 'picked' AND NEW.status = 'picked' AND OLD.queue_manager_id <> NEW.queue_manager_id)
EXECUTE FUNCTION task_count_death();
