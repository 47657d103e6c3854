import { describe, expect, it } from "vitest";
import {
  countOf,
  formatAgo,
  formatBytes,
  formatDuration,
  formatNear,
  formatValue,
  isNothing,
  plural,
} from "./formats";
import { localMinute, momentBefore, readTime } from "./times";

describe("values for people", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1500, "1.5 kB"],
    [2_000_000_000, "2.0 GB"],
    [-1500, "-1.5 kB"],
  ])("writes %d bytes as %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it.each([
    [0, "0 s"],
    [0.42, "0.4 s"],
    [59.6, "60 s"],
    [60, "1 min"],
    [3725, "1 h 2 min"],
    [86_400, "1 d"],
    [277_200, "3 d 5 h"],
  ])("writes %d seconds as %s", (seconds, text) => expect(formatDuration(seconds)).toBe(text));

  it("writes a moment for a field of local time, rounded up to the minute", () => {
    expect(localMinute(new Date(2031, 4, 6, 7, 7, 12))).toBe("2031-05-06T07:08");
    expect(localMinute(new Date(2031, 4, 6, 7, 8))).toBe("2031-05-06T07:08");
  });

  it("reads times of the API as UTC", () => {
    expect(readTime("2026-03-10T12:00:00")?.toISOString()).toBe("2026-03-10T12:00:00.000Z");
    expect(readTime("2026-03-10 12:00:00.5+01:00")?.toISOString()).toBe("2026-03-10T11:00:00.500Z");
    expect(readTime("tomorrow")).toBeUndefined();
  });

  it("counts back from now", () => {
    const now = new Date("2026-03-10T12:00:00Z");
    expect(momentBefore(now, "-2d")).toBe("2026-03-08T12:00:00");
    expect(momentBefore(now, "-999999999999w")).toBe("0001-01-01T00:00:00");
    expect(formatAgo(new Date("2026-03-10T10:00:00Z"), now)).toBe("2 h ago");
    expect(formatAgo(new Date("2026-03-10T12:05:00Z"), now)).toBe("in 5 min");
  });

  it("says in lists how long ago it was, and when it was long ago", () => {
    const now = new Date("2026-03-10T12:00:00Z");
    expect(formatNear(new Date("2026-03-10T09:55:00Z"), now)).toBe("2 h ago");
    expect(formatNear(new Date("2026-03-12T13:00:00Z"), now)).toBe("in 2 d");
    // Clocks differ.
    expect(formatNear(new Date("2026-03-10T12:00:20Z"), now)).toBe("now");
    expect(formatNear(new Date("2026-01-20T12:00:00Z"), now)).toBe("20 Jan");
    expect(formatNear(new Date("2025-01-20T12:00:00Z"), now)).toBe("20 Jan 2025");
  });

  it.each([null, undefined, "", [], "Unknown", "00000000"])("shows nothing for %j", (value) => {
    expect(isNothing(value)).toBe(true);
    expect(formatValue(value, "text")).toBe("");
  });

  it.each([0, false, "ANY", "unknown error", "0"])("shows %j", (value) => {
    expect(isNothing(value)).toBe(false);
    expect(formatValue(value, "text")).not.toBe("");
  });

  it("never fails on a value of another type", () => {
    expect(formatValue("soon", "time")).toBe("soon");
    expect(formatValue("many", "int")).toBe("many");
    expect(formatValue({ a: 1, some_cores: { min: 1, max: 2000 }, none: null }, "text")).toBe(
      "a 1, some cores (min 1, max 2,000)",
    );
    expect(formatValue(["a", 1], "list")).toBe("a, 1");
    expect(formatValue(12_345, "int")).toBe("12,345");
    expect(formatValue(null, "int")).toBe("");
  });

  it("counts", () => {
    expect(plural(1, "job")).toBe("1 job");
    expect(plural(10_000, "job")).toBe("10,000 jobs");
    expect(countOf(1, { title: "Task queues" })).toBe("1 task queue");
    expect(countOf(2, { title: "Pilot submission" })).toBe("2 rows");
  });
});
