/** Relative times as people type them (`-2d`, `90m`), and the moments that they name. */

const SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
const RELATIVE = /^-(\d{1,18})([smhdw])$/;
const SPAN = /^-?(\d{1,18})([smhdw])$/;

export function isRelative(text: string): boolean {
  return RELATIVE.test(text);
}

/** Return a length of time in seconds; none if the text is no length of time. */
export function spanSeconds(text: string): number | undefined {
  const match = SPAN.exec(text.trim());
  return match?.[1] && match[2] ? Number(match[1]) * (SECONDS[match[2]] ?? 0) : undefined;
}

/** Return the moment that lies a length of time before `now`, as the API's filters write it. */
export function momentBefore(now: Date, text: string): string {
  const seconds = spanSeconds(text);
  const moment = new Date(now.getTime() - (seconds ?? 0) * 1000);
  if (Number.isNaN(moment.getTime()) || moment.getUTCFullYear() < 1) {
    return "0001-01-01T00:00:00";
  }
  return moment.toISOString().slice(0, 19);
}

/** Read a time of the API: without a zone it is in UTC. */
export function readTime(value: unknown): Date | undefined {
  if (typeof value === "number") {
    return new Date(value * 1000);
  }
  if (typeof value !== "string" || !/^\d{4}-\d{2}-\d{2}/.test(value)) {
    return undefined;
  }
  const text = value.replace(" ", "T");
  const hasZone = /(Z|[+-]\d{2}:?\d{2})$/.test(text);
  const moment = new Date(hasZone || text.length === 10 ? text : `${text}Z`);
  return Number.isNaN(moment.getTime()) ? undefined : moment;
}

/** Return a moment as fields for local times write it, rounded up to the minute. */
export function localMinute(moment: Date): string {
  const minute = Math.ceil(moment.getTime() / 60_000) - moment.getTimezoneOffset();
  return new Date(minute * 60_000).toISOString().slice(0, 16);
}
