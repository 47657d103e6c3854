/** What is said and linked of failures that are alike. */

import type { components } from "@/generated/api";
import { type Search, writeState } from "@/kit/address";
import { literal } from "@/kit/filters";
import { formatNumber } from "@/kit/formats";

export type Cluster = components["schemas"]["FailureCluster"];
export type Failures = components["schemas"]["Failures"];

export const COLUMNS_MAX = 12;

/** Return the filter of the jobs of a cluster, as the list of jobs has it in its address. */
export function jobsOf(signature: string, since: string, place?: { name: string; value: string }): Search {
  return writeState({
    conditions: [
      { parameter: "FailureSignature", operator: "eq", values: [literal(signature)] },
      { parameter: "LastUpdateTime", operator: "gt", values: [{ text: since, quoted: false }] },
      ...(place ? [{ parameter: place.name, operator: "eq" as const, values: [literal(place.value)] }] : []),
    ],
  });
}

/** Return what a kind of failure is called: one as it was; those who may not see one get what all have in common. */
export function nameOf({ example, text }: Pick<Cluster, "example" | "text">): string {
  return example || text.charAt(0).toUpperCase() + text.slice(1);
}

/** Return the sites or users with most failures over all clusters, and in how many of them there are more. */
export function columnsOf(clusters: readonly Cluster[], by: "site" | "owner"): string[] {
  const sums = new Map<string, number>();
  for (const cluster of clusters) {
    for (const [name, count] of Object.entries(countsOf(cluster, by))) {
      sums.set(name, (sums.get(name) ?? 0) + count);
    }
  }
  return [...sums]
    .sort(([a, one], [b, other]) => other - one || a.localeCompare(b))
    .slice(0, COLUMNS_MAX)
    .map(([name]) => name);
}

export function countsOf(cluster: Cluster, by: "site" | "owner"): Record<string, number> {
  return by === "site" ? cluster.sites : cluster.users;
}

/** Return how strong the colour of a cell is, in percent: by size, so that one large cluster does not hide the rest. */
export function strength(count: number, highest: number): number {
  return count > 0 && highest > 0 ? Math.round(10 + 50 * (Math.log1p(count) / Math.log1p(highest))) : 0;
}

/** Say how a cluster developed against a time as long just before. */
export function changeOf({ count, before, is_new }: Pick<Cluster, "count" | "before" | "is_new">): string {
  if (is_new) {
    return "new";
  }
  const difference = count - before;
  return difference === 0
    ? "as before"
    : `${difference > 0 ? "+" : "−"}${formatNumber(Math.abs(difference))}`;
}
