/** Reads the explanations of all rooms, which share their first words and differ in the rest. */

import { formatNumber, formatValue } from "@/kit/formats";
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

const FIRST = ["status", "verdict", "waiting_s", "steps", "suggestions"];

export function stepsOf(content: Record<string, unknown>): Step[] {
  const steps = listOf(content.steps).filter(isMapping);
  let wasEnd = false;
  return steps.map((step) => {
    const left = amounts(step, "left");
    const removed = amounts(step, "removed");
    const isNothing = left.length > 0 && left.every(([count]) => count === 0);
    const isEnd = isNothing && !wasEnd;
    wasEnd ||= isNothing;
    return {
      condition: textOf(step.condition ?? step.title),
      wanted: textOf(step.wanted),
      offered: textOf(step.offered ?? step.best_offered),
      removed: said(removed.filter(([count]) => count !== 0)),
      left: said(left),
      isEnd,
    };
  });
}

/** Return what an explanation says beside its steps: single values, and tables. */
export function restOf(content: Record<string, unknown>) {
  const rest = Object.entries(content).filter(
    ([name, value]) => !FIRST.includes(name) && textOf(value) !== "",
  );
  const values = rest.filter(([, value]) => !Array.isArray(value) && !isMapping(value));
  const groups = rest.filter(([, value]) => isMapping(value)) as [string, Record<string, unknown>][];
  const tables = rest.filter(([, value]) => Array.isArray(value) && value.length > 0) as [
    string,
    unknown[],
  ][];
  return { values, groups, tables };
}

export function suggestionsOf(content: Record<string, unknown>): string[] {
  return listOf(content.suggestions).map((each) => textOf(isMapping(each) ? each.text : each));
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
  return counts.map(([count, noun]) => `${formatNumber(count)} ${noun}`.trim()).join(", ");
}

export function words(name: string): string {
  return name.replaceAll("_", " ");
}

function textOf(value: unknown): string {
  return formatValue(value, "text");
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
