import { describe, expect, it } from "vitest";
import { type Asked, csvOf, formatOf, type Plot, questionOf, usualBucket } from "./plots";

const ASKED: Asked = { subject: "jobs", value: "jobs", by: "site", range: "-7d", bucket: "day", parts: true };

describe("plots", () => {
  it("are drawn in as many buckets as one can look at", () => {
    expect(["-1d", "-7d", "-30d", "-365d"].map(usualBucket)).toEqual(["hour", "hour", "day", "month"]);
  });

  it("are asked for with a start and an end", () => {
    expect(questionOf(ASKED, new Date("2026-03-08T10:00:00Z"))).toEqual({
      start: "2026-03-01T10:00:00Z",
      end: "2026-03-08T10:00:00Z",
      value: "jobs",
      by: "site",
      bucket: "day",
      normalised: true,
    });
  });

  it("take no parts of what is no sum", () => {
    const asked = questionOf({ ...ASKED, value: "efficiency", by: "" }, new Date());
    expect(asked).toMatchObject({ normalised: false, by: null });
  });

  it("write times as times and parts as percent", () => {
    expect(formatOf({ value: "wall_s", unit: "s", normalised: false })(3600)).toBe("1 h");
    expect(formatOf({ value: "wall_s", unit: "s", normalised: true })(0.5)).toBe("50 %");
  });

  it("are tables too, in which no name is a formula", () => {
    const plot = {
      buckets: ["2026-03-01T00:00:00Z"],
      series: [
        { name: "=A", values: [1] },
        { name: "B", values: [null] },
      ],
    } as unknown as Plot;
    expect(csvOf(plot)).toBe("time,'=A,B\r\n2026-03-01T00:00:00Z,1,\r\n");
  });
});
