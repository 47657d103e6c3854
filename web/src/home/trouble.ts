/** What of a list needs attention: sites that are closed or drain, and queues that wait long. */

import type { Row } from "@/kit/api";
import { readTime } from "@/kit/times";

const OPEN = ["Active", "Degraded"];
const LONG_MS = 24 * 3_600_000;

/** Return the sites that get no jobs, or soon none. */
export function closedSites(sites: readonly Row[]): Row[] {
  return sites.filter((site) => site.draining === true || !OPEN.includes(String(site.status)));
}

/** Return the queues in which a job waits for more than a day, those that wait longest first. */
export function lateQueues(queues: readonly Row[], now: Date): Row[] {
  const since = (queue: Row) => readTime(queue.waiting_since)?.getTime() ?? Number.POSITIVE_INFINITY;
  return queues.filter((queue) => now.getTime() - since(queue) > LONG_MS).sort((a, b) => since(a) - since(b));
}
