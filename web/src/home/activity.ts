/** The last day as numbers and courses: what samples and hours say, without gaps that nobody asked about. */

import type { components } from "@/generated/api";
import { readTime } from "@/kit/times";

export type Activity = components["schemas"]["Activity"];
export type Series = components["schemas"]["Series"];
export type Measure = "running" | "waiting" | "pilots" | "cores";
/** One value for each step of time, the oldest first; null: nobody measured. */
export type Course = (number | null)[];

const HOUR_MS = 3_600_000;
const HOURS = 24;
const STEPS = 96;

/** Return the course of a measure in steps of a quarter of an hour; each has the mean of its samples. */
export function courseOf(activity: Activity, measure: Measure): Course {
  const since = readTime(activity.since)?.getTime() ?? 0;
  const step = (HOURS * HOUR_MS) / STEPS;
  const sums = Array.from({ length: STEPS }, () => ({ sum: 0, count: 0 }));
  for (const sample of activity.samples) {
    const at = readTime(sample.at)?.getTime() ?? 0;
    const place = sums[Math.min(STEPS - 1, Math.max(0, Math.floor((at - since) / step)))];
    if (place) {
      place.sum += sample[measure];
      place.count += 1;
    }
  }
  return sums.map(({ sum, count }) => (count > 0 ? sum / count : null));
}

/** Return the parts of jobs that failed, of those that ended in each hour; null where none ended. */
export function failureCourse(activity: Activity): Course {
  return byHour(activity.since, activity.hours, ({ ended, failed }) => (ended > 0 ? failed / ended : null));
}

/** Return the part of jobs that failed over the whole day; none where no job ended. */
export function failureRate(activity: Activity): number | undefined {
  const ended = activity.hours.reduce((sum, each) => sum + each.ended, 0);
  const failed = activity.hours.reduce((sum, each) => sum + each.failed, 0);
  return ended > 0 ? failed / ended : undefined;
}

function byHour<Hour extends { hour: string }>(
  since: string,
  hours: readonly Hour[],
  value: (hour: Hour) => number | null,
): Course {
  const first = Math.floor((readTime(since)?.getTime() ?? 0) / HOUR_MS);
  const course: Course = Array.from({ length: HOURS + 1 }, () => null);
  for (const each of hours) {
    const place = Math.floor((readTime(each.hour)?.getTime() ?? 0) / HOUR_MS) - first;
    if (place >= 0 && place < course.length) {
      course[place] = value(each);
    }
  }
  return course;
}

/** Return how many of one's jobs ended in each hour with one of some statuses, from a plot of the server. */
export function endedCourse(plotted: Series, statuses: readonly string[]): Course {
  const lines = plotted.series.filter((line) => statuses.includes(line.name));
  return plotted.buckets.map((_, index) => lines.reduce((sum, line) => sum + (line.values[index] ?? 0), 0));
}

export function sumOf(course: Course): number {
  return course.reduce<number>((sum, value) => sum + (value ?? 0), 0);
}

/** Say in words what a course shows: `3 – 20`. */
export function rangeOf(course: Course, format: (value: number) => string): string {
  const known = course.filter((value) => value !== null);
  if (known.length === 0) {
    return "no data yet";
  }
  const [least, most] = [format(Math.min(...known)), format(Math.max(...known))];
  return least === most ? `steady at ${most}` : `${least} – ${most}`;
}
