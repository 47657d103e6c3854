/** What a plot is of, in words and as it is asked for. */

import type { components } from "@/generated/api";
import { csvLine } from "@/kit/exports";
import { formatDuration, formatNumber, formatPercent } from "@/kit/formats";
import { momentBefore, spanSeconds } from "@/kit/times";
import type { View } from "@/kit/views";

export type Plot = components["schemas"]["Series"];
export type Subject = "jobs" | "pilots";
export type Bucket = "hour" | "day" | "month";

export const VALUES: Record<Subject, Record<string, string>> = {
  jobs: {
    jobs: "Ended jobs",
    wall_s: "Wall time",
    cpu_s: "CPU time",
    core_s: "Core time",
    efficiency: "CPU efficiency",
    mean_wall_s: "Mean wall time per job",
  },
  pilots: {
    pilots: "Ended pilots",
    empty: "Pilots without jobs",
    jobs: "Jobs run by pilots",
    wall_s: "Wall time of pilots",
    job_wall_s: "Wall time of jobs in pilots",
    efficiency: "Pilot efficiency",
    empty_fraction: "Fraction of pilots without jobs",
  },
};

export const KEYS: Record<Subject, Record<string, string>> = {
  jobs: {
    site: "Site",
    owner: "Owner",
    owner_group: "Owner's group",
    job_type: "Type",
    status: "Status",
    vo: "VO",
  },
  pilots: { site: "Site", ce: "Computing element", queue: "Queue", status: "Status", vo: "VO" },
};

export const RANGES: Record<string, string> = {
  "-1d": "day",
  "-7d": "7 days",
  "-30d": "30 days",
  "-90d": "90 days",
  "-365d": "365 days",
};

/** From one day to another, both of them included, in UTC. */
export type Dates = { from: string; to: string };

const DAY_MS = 86_400_000;

/** Return the dates of an address, if they are two days in their order. */
export function datesOf(from: string, to: string): Dates | undefined {
  const isDay = (text: string) => /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text));
  return isDay(from) && isDay(to) && from <= to ? { from, to } : undefined;
}

/** Return the dates that a range has now, as a start for those who want others. */
export function datesBefore(now: Date, range: string): Dates {
  return { from: momentBefore(now, range).slice(0, 10), to: now.toISOString().slice(0, 10) };
}

/** Return the bucket that a time is drawn in unless somebody chooses: not so many that nobody can tell them apart. */
export function usualBucket(range: string, dates?: Dates): Bucket {
  const days = dates
    ? (Date.parse(dates.to) - Date.parse(dates.from)) / DAY_MS + 1
    : (spanSeconds(range) ?? 0) / 86_400;
  return days <= 7 ? "hour" : days <= 120 ? "day" : "month";
}

/** Quotients are no parts of a whole: they are lines and never stacks. */
export function isQuotient(value: string): boolean {
  return ["efficiency", "mean_wall_s", "empty_fraction"].includes(value);
}

export type Asked = {
  subject: Subject;
  value: string;
  by: string;
  range: string;
  dates?: Dates;
  /** What it is narrowed to, by key. */
  only: Record<string, string>;
  bucket: Bucket;
  parts: boolean;
};

export function questionOf(asked: Asked, now: Date): Record<string, unknown> {
  const { value, by, range, dates, only, bucket, parts } = asked;
  const behind = dates ? new Date(Date.parse(dates.to) + DAY_MS) : now;
  return {
    start: dates ? `${dates.from}T00:00:00Z` : `${momentBefore(now, range)}Z`,
    end: `${behind.toISOString().slice(0, 19)}Z`,
    where: Object.fromEntries(Object.entries(only).map(([key, name]) => [key, [name]])),
    value,
    by: by || null,
    bucket,
    normalised: parts && !isQuotient(value),
  };
}

/** Return how the numbers of a plot are written: times as times, parts as percent. */
export function formatOf(plot: Pick<Plot, "unit" | "value" | "normalised">): (value: number) => string {
  if (plot.normalised || ["efficiency", "empty_fraction"].includes(plot.value)) {
    return (value) => formatPercent(value * 100);
  }
  return plot.unit === "s" ? formatDuration : formatNumber;
}

/** Tell whether the values of a plot are numbers of things. */
export function isCount(plot: Pick<Plot, "unit" | "value" | "normalised">): boolean {
  return plot.unit !== "s" && !plot.normalised && !isQuotient(plot.value);
}

/** Return how long the last bucket of a plot is: it is drawn to its end. */
export function bucketSeconds({ bucket, buckets }: Pick<Plot, "bucket" | "buckets">): number {
  const last = new Date(buckets.at(-1) ?? 0);
  const end = Date.UTC(last.getUTCFullYear(), last.getUTCMonth() + 1, 1);
  return bucket === "hour" ? 3600 : bucket === "day" ? DAY_MS / 1000 : (end - last.getTime()) / 1000;
}

/** Return the colours of statuses as lists have them; of several that mean the same, no two have the same colour. */
export function coloursOf(statuses: readonly string[], view: View | undefined): (string | undefined)[] {
  const seen = new Map<string, number>();
  return statuses.map((name) => {
    const tone = view?.statuses?.find(({ value }) => value === name)?.tone;
    if (!tone) {
      return undefined;
    }
    const nth = seen.get(tone) ?? 0;
    seen.set(tone, nth + 1);
    return [`--${tone}-fill`, `--${tone}`][nth];
  });
}

/** Write a plot as CSV: a line for each bucket, a column for each series. */
export function csvOf(plot: Plot): string {
  const head = csvLine(["time", ...plot.series.map((each) => each.name)]);
  const lines = plot.buckets.map((at, index) =>
    csvLine([at, ...plot.series.map((each) => each.values[index])]),
  );
  return head + lines.join("");
}
