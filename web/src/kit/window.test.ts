import { describe, expect, it } from "vitest";
import { fromTheEnd, HEIGHT_MAX, pagesOf, scrollTo, windowOf } from "./window";

const place = { count: 1_000_000, rowHeight: 30, viewport: 600 };

describe("the window of a long list", () => {
  it("begins at the top", () => {
    expect(windowOf({ ...place, scrollTop: 0 })).toEqual({ start: 0, end: 29, top: 0, height: 30_000_000 });
  });

  it("draws rows where they are as long as the list is not too high", () => {
    const window = windowOf({ ...place, scrollTop: 15_000_000 });
    expect(window.start).toBe(500_000 - 8);
    expect(window.top).toBe((500_000 - 8) * 30);
  });

  it.each([1_500_000, 20_000_000, 900_000_000])("reaches the last of %i rows", (count) => {
    const long = { ...place, count };
    const window = windowOf({ ...long, scrollTop: HEIGHT_MAX - 600 });
    expect(window.end).toBe(count);
    expect(window.height).toBe(HEIGHT_MAX);
    const bottom = window.top + (window.end - window.start) * 30;
    expect(Math.abs(bottom - HEIGHT_MAX)).toBeLessThan(1);
  });

  it("is in the middle of a scaled list when the scroll bar is", () => {
    const window = windowOf({ ...place, count: 10_000_000, scrollTop: (HEIGHT_MAX - 600) / 2 });
    expect(Math.abs(window.start + 8 - 5_000_000)).toBeLessThan(12);
  });

  it("moves no further than needed to show a row", () => {
    expect(scrollTo(5, { ...place, scrollTop: 0 })).toBeUndefined();
    expect(scrollTo(40, { ...place, scrollTop: 0 })).toBe((40 - 18) * 30);
    expect(scrollTo(3, { ...place, scrollTop: 3000 })).toBe(90);
  });

  it("shows a row of a scaled list where it scrolls to", () => {
    const long = { ...place, count: 50_000_000 };
    const scrollTop = scrollTo(30_000_000, { ...long, scrollTop: 0 }) ?? 0;
    const window = windowOf({ ...long, scrollTop });
    expect(window.start).toBeLessThanOrEqual(30_000_000);
    expect(window.end).toBeGreaterThan(30_000_000);
  });

  it("asks for the pages that its rows are on", () => {
    expect(pagesOf({ start: 0, end: 29 }, 100)).toEqual([1]);
    expect(pagesOf({ start: 95, end: 130 }, 100)).toEqual([1, 2]);
    expect(pagesOf({ start: 0, end: 0 }, 100)).toEqual([1]);
    expect(pagesOf({ start: 199, end: 200 }, 100)).toEqual([2]);
  });
});

describe("a page from the other end", () => {
  it.each([
    [999_900, 1_000_000, 1_000_000],
    [999_900, 1_000_000, 1_000_037],
    [600_000, 600_100, 1_000_037],
    [1_000_000, 1_000_100, 1_000_037],
  ])("holds the rows %i to %i of %i", (start, end, count) => {
    const { page, perPage, skip } = fromTheEnd({ start, end }, count);
    const size = Math.min(end, count) - start;
    expect((page - 1) * perPage + skip).toBe(Math.max(0, count - end));
    expect(skip + size).toBeLessThanOrEqual(perPage);
    expect(perPage).toBeLessThan(1_000);
  });
});
