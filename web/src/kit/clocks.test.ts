import { describe, expect, it } from "vitest";
import { tickText, timeText, UTC } from "./clocks";

const NOON = Date.UTC(2026, 10, 25, 12) / 1000;
const MIDNIGHT = Date.UTC(2026, 10, 25) / 1000;

describe("the axis of a chart", () => {
  it("is as short as the distance of its ticks allows, and names months", () => {
    expect(tickText(NOON, 3600, UTC)).toBe("12:00");
    expect(tickText(MIDNIGHT, 3600, UTC)).toBe("25 Nov");
    expect(tickText(MIDNIGHT, 2 * 86_400, UTC)).toBe("25 Nov");
    expect(tickText(MIDNIGHT, 31 * 86_400, UTC)).toBe("Nov 2026");
    expect(tickText(NOON + 5, 5, UTC)).toBe("12:00:05");
  });

  it("says a time in full where somebody points", () => {
    expect(timeText(NOON, UTC)).toBe("25 Nov 2026, 12:00");
  });

  it("reads the dates of buckets as those of UTC in every zone", () => {
    expect(UTC.at(MIDNIGHT).getDate()).toBe(25);
    expect(UTC.at(MIDNIGHT).getHours()).toBe(0);
  });
});
