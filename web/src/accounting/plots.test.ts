import { describe, expect, it } from "vitest";
import type { View } from "@/kit/views";
import {
  type Asked,
  bucketSeconds,
  coloursOf,
  csvOf,
  datesBefore,
  datesOf,
  formatOf,
  isCount,
  type Plot,
  questionOf,
  usualBucket,
} from "./plots";

const ASKED: Asked = {
  subject: "jobs",
  value: "jobs",
  by: "site",
  range: "-7d",
  only: {},
  bucket: "day",
  parts: true,
};

describe("plots", () => {
  it("have the colours of statuses, and no two the same", () => {
    const statuses = [
      { value: "Done", tone: "success" },
      { value: "Completed", tone: "success" },
      { value: "Failed", tone: "danger" },
    ];
    const view = { statuses } as unknown as View;
    expect(coloursOf(["Done", "Failed", "Completed", "Of an extension"], view)).toEqual([
      "--success-fill",
      "--danger-fill",
      "--success",
      undefined,
    ]);
    expect(coloursOf(["Done"], undefined)).toEqual([undefined]);
  });

  it("are drawn in as many buckets as one can look at", () => {
    expect(["-1d", "-7d", "-30d", "-365d"].map((range) => usualBucket(range))).toEqual([
      "hour",
      "hour",
      "day",
      "month",
    ]);
  });

  it("are asked for with a start and an end", () => {
    expect(questionOf(ASKED, new Date("2026-03-08T10:00:00Z"))).toEqual({
      start: "2026-03-01T10:00:00Z",
      end: "2026-03-08T10:00:00Z",
      where: {},
      value: "jobs",
      by: "site",
      bucket: "day",
      normalised: true,
    });
  });

  it("are of any days, the last one included, and of one site or owner", () => {
    const dates = datesOf("2026-02-27", "2026-02-28");
    expect(questionOf({ ...ASKED, dates, only: { site: "A" } }, new Date())).toMatchObject({
      start: "2026-02-27T00:00:00Z",
      end: "2026-03-01T00:00:00Z",
      where: { site: ["A"] },
    });
    expect(usualBucket("-365d", dates)).toBe("hour");
    expect([datesOf("2026-02-28", "2026-02-27"), datesOf("x", "2026-02-27"), datesOf("", "")]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(datesBefore(new Date("2026-03-08T10:00:00Z"), "-7d")).toEqual({
      from: "2026-03-01",
      to: "2026-03-08",
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

  it("count things in whole numbers, and draw the last bucket to its end", () => {
    expect(isCount({ value: "jobs", unit: "jobs", normalised: false })).toBe(true);
    expect(isCount({ value: "jobs", unit: "jobs", normalised: true })).toBe(false);
    expect(isCount({ value: "wall_s", unit: "s", normalised: false })).toBe(false);
    expect(bucketSeconds({ bucket: "month", buckets: ["2026-02-01T00:00:00Z"] })).toBe(28 * 86_400);
    expect(bucketSeconds({ bucket: "hour", buckets: ["2026-02-01T00:00:00Z"] })).toBe(3600);
  });
});
