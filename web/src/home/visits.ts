/** When somebody was last here: pages that are opened one after the other are one visit. */

/** `since` is when the visit before this one ended, `seen` when somebody was here last; both in milliseconds. */
export type Visit = { since: number; seen: number };

const PAUSE_MS = 3_600_000;
const DAY_MS = 24 * PAUSE_MS;
const KEPT_DAYS = 30;

export function visitAt(now: number, last: Visit | undefined): Visit {
  const since = !last ? now - DAY_MS : now - last.seen > PAUSE_MS ? last.seen : last.since;
  return { since: Math.max(since, now - KEPT_DAYS * DAY_MS), seen: now };
}
