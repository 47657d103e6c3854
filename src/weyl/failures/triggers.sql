-- Edition 1
-- Triggers and functions of the room `failures` as they are now. `weyl db migrate` runs this file when it has
-- changed: every statement must be safe to run again. How to change it: docs/developer/migrations.md

-- The sum of two sets of counts by name, without those that are zero.
CREATE OR REPLACE FUNCTION failure_counts_sum(one jsonb, other jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_object_agg(name, count), '{}') FROM (
    SELECT name, sum(CAST(count AS bigint)) AS count
    FROM (SELECT * FROM jsonb_each_text(one) UNION ALL SELECT * FROM jsonb_each_text(other)) AS each (name, count)
    GROUP BY name HAVING sum(CAST(count AS bigint)) <> 0
  ) summed
$$;
