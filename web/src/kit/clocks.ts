/** How the axis of a chart writes times: those of buckets in UTC, all others in the zone of the reader. */

export type Clock = { label: string; zone: string | undefined; at: (seconds: number) => Date };

const DAY_S = 86_400;
const MONTH_S = 28 * DAY_S;

export const LOCAL: Clock = { label: "Time", zone: undefined, at: (seconds) => new Date(seconds * 1000) };
/** The chart reads a date by its local parts: here they are those of UTC. */
export const UTC: Clock = { label: "Time (UTC)", zone: "UTC", at: shifted };

function shifted(seconds: number): Date {
  const moment = new Date(seconds * 1000);
  return new Date(
    moment.getUTCFullYear(),
    moment.getUTCMonth(),
    moment.getUTCDate(),
    moment.getUTCHours(),
    moment.getUTCMinutes(),
    moment.getUTCSeconds(),
  );
}

/** Write a tick of the axis as short as its distance to the next allows; a day begins with its date. */
export function tickText(seconds: number, step_s: number, clock: Clock): string {
  if (step_s >= MONTH_S) {
    return written(seconds, clock, { month: "short", year: "numeric" });
  }
  const time = written(seconds, clock, {
    hour: "2-digit",
    minute: "2-digit",
    second: step_s < 60 ? "2-digit" : undefined,
  });
  return step_s >= DAY_S || /^00:00(:00)?$/.test(time)
    ? written(seconds, clock, { day: "numeric", month: "short" })
    : time;
}

/** Write a time in full, for whoever points at it. */
export function timeText(seconds: number, clock: Clock): string {
  return written(seconds, clock, {
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
  });
}

function written(seconds: number, clock: Clock, parts: Intl.DateTimeFormatOptions): string {
  return new Date(seconds * 1000).toLocaleString("en-GB", {
    ...parts,
    timeZone: clock.zone,
    hourCycle: "h23",
  });
}
