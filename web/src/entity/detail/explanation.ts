/** Reads the explanations of all rooms, which share their first words and differ in the rest. */

import { formatNumber, formatValue, inWords, plural } from "@/kit/formats";
import { isMapping } from "@/kit/templates";

export type Step = {
  condition: string;
  wanted: string;
  offered: string;
  /** What the condition took away, and what was left after it: `2 sites, 14 pilots`. */
  removed: string;
  left: string;
  /** Whether nothing was left because of it. */
  isEnd: boolean;
};
/** What was found of one thing, and the address of the page that says more. */
export type Finding = { condition: string; text: string; link: string | undefined };
export type Table = { title: string; rows: Record<string, unknown>[] };

/** What is said by the verdict, the facts and the tables below, or is for programs only. */
const SAID = new Set([
  ...["status", "verdict", "waiting_s", "steps", "suggestions", "facts", "before", "ahead", "pilots"],
  ...["nearest", "limits", "share", "hold", "failure", "job_id", "class_id", "position", "jobs_in_class"],
]);

/** Return the conditions that were tried, one after the other. */
export function stepsOf(content: Record<string, unknown>): Step[] {
  const steps = listOf(content.steps).filter((step) => !isFinding(step));
  let wasEnd = false;
  return steps.map((step) => {
    const left = amounts(step, "left");
    const removed = amounts(step, "removed");
    const isNothing = left.length > 0 && left.every(([count]) => count === 0);
    const isEnd = isNothing && !wasEnd;
    wasEnd ||= isNothing;
    return {
      condition: textOf(step.title ?? step.condition),
      wanted: amountOf(step.wanted, step.unit),
      offered: amountOf(step.offered ?? step.best_offered, step.unit),
      removed: said(removed.filter(([count]) => count !== 0)),
      left: said(left),
      isEnd,
    };
  });
}

/** Return what was found, thing by thing: facts beside the conditions, or steps that are no conditions. */
export function findingsOf(content: Record<string, unknown>): Finding[] {
  return [...listOf(content.facts), ...listOf(content.steps).filter(isFinding)].map((each) => ({
    condition: textOf(each.condition),
    text: textOf(each.text),
    link: typeof each.link === "string" && each.link.startsWith("/") ? each.link : undefined,
  }));
}

/** Return the lists of an explanation in the words of people; those that are empty are left out. */
export function tablesOf(content: Record<string, unknown>): Table[] {
  const first = listOf(content.before);
  const more = first.some((each) => each.or_more) ? "more than " : "";
  const ahead = typeof content.ahead === "number" ? `: ${more}${plural(content.ahead, "job")}` : "";
  const tables = [
    {
      title: `Before it${ahead}`,
      rows: first.map(({ jobs, or_more, what }) => ({
        Jobs: or_more ? `${textOf(jobs)} or more` : jobs,
        Which: what,
      })),
    },
    {
      title: "Pilots that exist",
      rows: listOf(content.pilots).map((each) => ({
        Site: each.site,
        Running: each.running,
        "Waiting to start": each.waiting,
      })),
    },
    { title: "Kept away by one condition only", rows: listOf(content.nearest).flatMap(nearOf) },
    { title: "Limits", rows: listOf(content.limits).map(limitOf) },
  ];
  return tables.filter(({ rows }) => rows.length > 0);
}

/** Return what a room says beside, by name. */
export function restOf(content: Record<string, unknown>): [string, string][] {
  return Object.entries(content)
    .filter(([name]) => !SAID.has(name))
    .map(([name, value]) => [words(name), inWords(value)] as [string, string])
    .filter(([, text]) => text !== "");
}

export function suggestionsOf(content: Record<string, unknown>): string[] {
  const all = Array.isArray(content.suggestions) ? content.suggestions : [];
  return all.map((each) => textOf(isMapping(each) ? each.text : each));
}

export function words(name: string): string {
  return name.replaceAll("_", " ");
}

function nearOf(near: Record<string, unknown>): Record<string, unknown>[] {
  return listOf(near.fails).map((fail) => ({
    Site: near.site,
    Pilots: near.pilots,
    Condition: words(textOf(fail.title ?? fail.condition)),
    Wanted: amountOf(fail.wanted, fail.unit),
    Offered: amountOf(fail.offered, fail.unit),
  }));
}

function limitOf(limit: Record<string, unknown>): Record<string, unknown> {
  const used = ["jobs", "cores"]
    .filter((what) => typeof limit[`${what}_max`] === "number")
    .map(
      (what) =>
        `${formatNumber(Number(limit[what]))} of ${formatNumber(Number(limit[`${what}_max`]))} ${what}`,
    );
  const apart = limit.delay_s ? [`${textOf(limit.delay_s)} s between starts`] : [];
  return {
    Limit: limit.limit,
    Used: [...used, ...apart].join(", "),
    "One more may start": limit.open ? "yes" : "no",
  };
}

function isFinding(step: Record<string, unknown>): boolean {
  return typeof step.text === "string";
}

/** `sites_left: 2` is two sites, a bare `left: 2` is two of whatever it is about. */
function amounts(step: Record<string, unknown>, what: "left" | "removed"): [number, string][] {
  return Object.entries(step).flatMap(([name, value]) =>
    typeof value === "number" && (name === what || name.endsWith(`_${what}`))
      ? [[value, name === what ? "" : name.slice(0, -what.length - 1)] as [number, string]]
      : [],
  );
}

function said(counts: [number, string][]): string {
  return counts
    .map(([count, noun]) =>
      (count === 1 ? `1 ${noun.replace(/s$/, "")}` : `${formatNumber(count)} ${noun}`).trim(),
    )
    .join(", ");
}

function textOf(value: unknown): string {
  return formatValue(value, typeof value === "number" ? "int" : "text");
}

function amountOf(value: unknown, unit: unknown): string {
  return typeof value === "number" && typeof unit === "string" ? `${textOf(value)} ${unit}` : textOf(value);
}

function listOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isMapping) : [];
}
