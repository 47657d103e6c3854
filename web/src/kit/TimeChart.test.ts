import { describe, expect, it, vi } from "vitest";

vi.mock("uplot", () => ({ default: class {} }));
vi.mock("uplot/dist/uPlot.min.css", () => ({}));

const { bucketAt, hit, stacked } = await import("./TimeChart");

describe("a stack", () => {
  const shown = stacked([
    { name: "a", values: [2, 0] },
    { name: "b", values: [3, null] },
  ]);

  it("has each series on top of those before it", () => {
    expect(shown.map((each) => [each.name, each.values])).toEqual([
      ["b", [5, 0]],
      ["a", [2, 0]],
    ]);
  });

  it("tells which series is at a height, and none above it", () => {
    expect([hit(shown, 0, 1), hit(shown, 0, 4), hit(shown, 0, 6)]).toEqual(["a", "b", undefined]);
    expect([hit(shown, 0, -1), hit(shown, null, 1)]).toEqual([undefined, undefined]);
  });
});

describe("buckets", () => {
  it("are pointed at over all of their length", () => {
    expect([bucketAt([0, 10, 20], 1, 6), bucketAt([0, 10, 20], 1, 12), bucketAt([0, 10, 20], 0, -3)]).toEqual(
      [0, 1, 0],
    );
  });
});
