-- Edition 1
-- Triggers and functions of the room `file_catalog` as they are now. `weyl db migrate` runs this file when it has
-- changed: every statement must be safe to run again. How to change it: docs/developer/migrations.md

-- What is used is kept for every directory with all that lies below it. Here, what changes is written down once per
-- directory, storage element and statement; the fold adds it to each directory above (decision 0043).

-- One number for the lock of whoever folds, or moves or drops what was folded: `FOLD_LOCK` of `queries/upkeep.py`.
CREATE OR REPLACE FUNCTION file_fold_lock() RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT CAST(7301126500384331 AS bigint)
$$;

CREATE OR REPLACE FUNCTION files_count_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO file_usage_deltas (dir_id, se_id, files, bytes, trash_files, trash_bytes)
  SELECT dir_id, 0,
    count(*) FILTER (WHERE status = 'Good'), coalesce(sum(size) FILTER (WHERE status = 'Good'), 0),
    count(*) FILTER (WHERE status <> 'Good'), coalesce(sum(size) FILTER (WHERE status <> 'Good'), 0)
  FROM new_rows GROUP BY dir_id;
  RETURN NULL;
END $$;

-- Replicas go with their file, to the trash and back, and from one directory to another.
CREATE OR REPLACE FUNCTION files_count_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  WITH changed AS (
    SELECT o.file_id, o.dir_id AS old_dir, o.size AS old_size, o.status AS old_status,
      n.dir_id AS new_dir, n.size AS new_size, n.status AS new_status
    FROM old_rows o JOIN new_rows n USING (file_id)
    WHERE (o.dir_id, o.size, o.status = 'Good') IS DISTINCT FROM (n.dir_id, n.size, n.status = 'Good')
  ), counted AS (
    SELECT c.*, CAST(0 AS bigint) AS se_id FROM changed c
    UNION ALL
    SELECT c.*, r.se_id FROM changed c JOIN replicas r USING (file_id)
  )
  INSERT INTO file_usage_deltas (dir_id, se_id, files, bytes, trash_files, trash_bytes)
  SELECT dir_id, se_id, sum(files), sum(bytes), sum(trash_files), sum(trash_bytes) FROM (
    SELECT old_dir AS dir_id, se_id,
      CASE old_status WHEN 'Good' THEN -1 ELSE 0 END AS files, CASE old_status WHEN 'Good' THEN -old_size ELSE 0 END AS bytes,
      CASE old_status WHEN 'Good' THEN 0 ELSE -1 END AS trash_files,
      CASE old_status WHEN 'Good' THEN 0 ELSE -old_size END AS trash_bytes
    FROM counted
    UNION ALL
    SELECT new_dir, se_id,
      CASE new_status WHEN 'Good' THEN 1 ELSE 0 END, CASE new_status WHEN 'Good' THEN new_size ELSE 0 END,
      CASE new_status WHEN 'Good' THEN 0 ELSE 1 END, CASE new_status WHEN 'Good' THEN 0 ELSE new_size END
    FROM counted
  ) parts GROUP BY dir_id, se_id;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION files_count_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO file_usage_deltas (dir_id, se_id, files, bytes, trash_files, trash_bytes)
  SELECT dir_id, 0,
    -count(*) FILTER (WHERE status = 'Good'), -coalesce(sum(size) FILTER (WHERE status = 'Good'), 0),
    -count(*) FILTER (WHERE status <> 'Good'), -coalesce(sum(size) FILTER (WHERE status <> 'Good'), 0)
  FROM old_rows GROUP BY dir_id;
  RETURN NULL;
END $$;

-- Whoever adds or drops replicas of a file that others may change holds its row: the status below is the last one.
CREATE OR REPLACE FUNCTION replicas_count_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO file_usage_deltas (dir_id, se_id, files, bytes, trash_files, trash_bytes)
  SELECT f.dir_id, n.se_id,
    count(*) FILTER (WHERE f.status = 'Good'), coalesce(sum(f.size) FILTER (WHERE f.status = 'Good'), 0),
    count(*) FILTER (WHERE f.status <> 'Good'), coalesce(sum(f.size) FILTER (WHERE f.status <> 'Good'), 0)
  -- by the key, also of ten thousand new ones: a database that does not know how few they are reads all files
  FROM new_rows n CROSS JOIN LATERAL (SELECT dir_id, size, status FROM files g WHERE g.file_id = n.file_id OFFSET 0) f
  GROUP BY f.dir_id, n.se_id;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION replicas_count_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO file_usage_deltas (dir_id, se_id, files, bytes, trash_files, trash_bytes)
  SELECT f.dir_id, o.se_id,
    -count(*) FILTER (WHERE f.status = 'Good'), -coalesce(sum(f.size) FILTER (WHERE f.status = 'Good'), 0),
    -count(*) FILTER (WHERE f.status <> 'Good'), -coalesce(sum(f.size) FILTER (WHERE f.status <> 'Good'), 0)
  FROM old_rows o CROSS JOIN LATERAL (SELECT dir_id, size, status FROM files g WHERE g.file_id = o.file_id OFFSET 0) f
  GROUP BY f.dir_id, o.se_id;
  RETURN NULL;
END $$;

-- A directory that moves takes along what is folded of it: less above the old place, more above the new one. What is not
-- folded yet follows the new lineage by itself.
CREATE OR REPLACE FUNCTION directories_count_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (
    SELECT 1 FROM old_rows o JOIN new_rows n USING (dir_id) WHERE o.parent_id IS DISTINCT FROM n.parent_id
  ) THEN
    RETURN NULL;
  END IF;
  PERFORM pg_advisory_xact_lock(file_fold_lock());
  INSERT INTO file_usage_deltas (dir_id, se_id, files, bytes, trash_files, trash_bytes)
  SELECT place.dir_id, u.se_id, sum(place.sign * u.files), sum(place.sign * u.bytes),
    sum(place.sign * u.trash_files), sum(place.sign * u.trash_bytes)
  FROM old_rows o JOIN new_rows n USING (dir_id) JOIN file_usage u USING (dir_id),
    LATERAL (VALUES (o.parent_id, -1), (n.parent_id, 1)) AS place (dir_id, sign)
  WHERE o.parent_id IS DISTINCT FROM n.parent_id AND place.dir_id IS NOT NULL
  GROUP BY place.dir_id, u.se_id;
  RETURN NULL;
END $$;

-- A directory that is dropped holds no files: what is not folded yet, and is nothing in sum with what is, still counts
-- for those above it.
CREATE OR REPLACE FUNCTION directories_count_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(file_fold_lock());
  UPDATE file_usage_deltas d SET dir_id = above.dir_id
  FROM old_rows o, LATERAL (
    SELECT id AS dir_id FROM unnest(o.lineage) WITH ORDINALITY AS step (id, level)
    WHERE NOT EXISTS (SELECT 1 FROM old_rows dropped WHERE dropped.dir_id = step.id)
    ORDER BY step.level DESC LIMIT 1
  ) above
  WHERE d.dir_id = o.dir_id;
  DELETE FROM file_usage_deltas d USING old_rows o WHERE d.dir_id = o.dir_id;
  DELETE FROM file_usage u USING old_rows o WHERE u.dir_id = o.dir_id;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER files_count_insert AFTER INSERT ON files
REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION files_count_insert();

CREATE OR REPLACE TRIGGER files_count_update AFTER UPDATE ON files
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION files_count_update();

CREATE OR REPLACE TRIGGER files_count_delete AFTER DELETE ON files
REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION files_count_delete();

CREATE OR REPLACE TRIGGER replicas_count_insert AFTER INSERT ON replicas
REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION replicas_count_insert();

CREATE OR REPLACE TRIGGER replicas_count_delete AFTER DELETE ON replicas
REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION replicas_count_delete();

CREATE OR REPLACE TRIGGER directories_count_update AFTER UPDATE ON directories
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION directories_count_update();

CREATE OR REPLACE TRIGGER directories_count_delete AFTER DELETE ON directories
REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION directories_count_delete();
