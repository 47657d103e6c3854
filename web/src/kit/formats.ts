/** How values are written for people. Everything is text; nothing here makes markup. */

import { readTime } from "./times";

const WHOLE = new Intl.NumberFormat("en");
const BROKEN = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const UNITS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

export function formatNumber(value: number): string {
  return Number.isInteger(value) ? WHOLE.format(value) : BROKEN.format(value);
}

export function formatBytes(bytes: number): string {
  let value = Math.abs(bytes);
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const shown = unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1);
  return `${bytes < 0 ? "-" : ""}${shown} ${UNITS[unit]}`;
}

/** Write a length of time by its two largest units: `3 d 4 h`, `12 min 5 s`, `0.4 s`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) {
    return String(seconds);
  }
  if (seconds < 0) {
    return `-${formatDuration(-seconds)}`;
  }
  if (seconds < 60) {
    return `${seconds < 10 && !Number.isInteger(seconds) ? seconds.toFixed(1) : Math.round(seconds)} s`;
  }
  const whole = Math.round(seconds);
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor((whole % 86_400) / 3600), "h"],
    [Math.floor((whole % 3600) / 60), "min"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}

export function formatPercent(value: number): string {
  return `${value >= 10 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1)} %`;
}

/** Write a moment in the zone of the reader: short where it is near. */
export function formatTime(moment: Date, now: Date = new Date()): string {
  const time = moment.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  if (moment.toDateString() === now.toDateString()) {
    return time;
  }
  const day = moment.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  return moment.getFullYear() === now.getFullYear()
    ? `${day}, ${time.slice(0, 5)}`
    : `${day} ${moment.getFullYear()}, ${time.slice(0, 5)}`;
}

export function formatUtc(moment: Date): string {
  return `${moment.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** Say how long ago a moment was, or how far away it is. */
export function formatAgo(moment: Date, now: Date = new Date()): string {
  const seconds = Math.round((now.getTime() - moment.getTime()) / 1000);
  if (Math.abs(seconds) < 5) {
    return "now";
  }
  const size = formatDuration(Math.abs(seconds)).split(" ").slice(0, 2).join(" ");
  return seconds > 0 ? `${size} ago` : `in ${size}`;
}

const NEAR_MS = 30 * 86_400_000;
/** By so much the clocks of a server and a browser may differ. */
const SKEW_MS = 60_000;

/** Write a moment as lists show it: how far away it is in one unit, and its date where that is more than a month. */
export function formatNear(moment: Date, now: Date = new Date()): string {
  const ahead = moment.getTime() - now.getTime();
  if (Math.abs(ahead) >= NEAR_MS) {
    return formatTime(moment, now).replace(/, \d\d:\d\d$/, "");
  }
  return ahead > 0 && ahead < SKEW_MS ? "now" : formatAgo(moment, now);
}

/** Tell whether a value says nothing: it is missing or empty, or one of the words that stand for none in DIRAC's tables. */
export function isNothing(value: unknown): boolean {
  return (
    value === null ||
    value === undefined ||
    value === "" ||
    value === "Unknown" ||
    value === "00000000" ||
    (Array.isArray(value) && value.length === 0)
  );
}

export function plural(count: number, word: string): string {
  return `${formatNumber(count)} ${word}${count === 1 ? "" : "s"}`;
}

/** Count what a view lists, by its own words: `1 job`, `54 jobs`. */
export function countOf(count: number, view: { title: string }): string {
  return view.title.endsWith("s")
    ? `${formatNumber(count)} ${(count === 1 ? singular(view) : view.title).toLowerCase()}`
    : plural(count, "row");
}

/** Return what one of those is called that a view lists. */
export function singular(view: { title: string }): string {
  return view.title.replace(/ies$/, "y").replace(/s$/, "");
}

/** Write any value of the API as text, by the type that its column has; one that says nothing is empty. */
export function formatValue(value: unknown, type: string, unit?: string | null): string {
  if (isNothing(value) && type !== "status") {
    return "";
  }
  if (type === "time") {
    const moment = readTime(value);
    return moment ? formatTime(moment) : String(value);
  }
  if (typeof value === "boolean") {
    return value ? "yes" : "no";
  }
  if (typeof value === "number" || (typeof value === "string" && isNumeric(type) && value.trim() !== "")) {
    const number = Number(value);
    return Number.isNaN(number) ? String(value) : withUnit(formatAs(number, type), unit, type);
  }
  if (Array.isArray(value)) {
    return value.map((each) => formatValue(each, "text")).join(", ");
  }
  return typeof value === "object" ? inWords(value) : String(value);
}

/** Write anything in words, what it holds by name: `cores 2, memory (min 1, max 2)`. */
export function inWords(value: unknown): string {
  if (Array.isArray(value)) {
    return value.map((each) => (isNamed(each) ? `(${inWords(each)})` : inWords(each))).join(", ");
  }
  if (!isNamed(value)) {
    return formatValue(value, typeof value === "number" ? "float" : "text");
  }
  return Object.entries(value)
    .map(([name, each]) => [name.replaceAll("_", " "), inWords(each), isNamed(each)] as const)
    .filter(([, text]) => text !== "")
    .map(([name, text, isNested]) => `${name} ${isNested ? `(${text})` : text}`)
    .join(", ");
}

function isNamed(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isNumeric(type: string): boolean {
  return ["int", "float", "bytes", "duration", "percent", "progress"].includes(type);
}

function formatAs(value: number, type: string): string {
  switch (type) {
    case "bytes":
      return formatBytes(value);
    case "duration":
      return formatDuration(value);
    case "percent":
    case "progress":
      return formatPercent(value);
    case "int":
    case "float":
      return formatNumber(value);
    default:
      return String(value);
  }
}

function withUnit(text: string, unit: string | null | undefined, type: string): string {
  return unit && (type === "int" || type === "float") ? `${text} ${unit}` : text;
}
