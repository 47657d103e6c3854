import { describe, expect, it } from "vitest";
import {
  type Activity,
  courseOf,
  endedCourse,
  failureCourse,
  failureRate,
  rangeOf,
  type Series,
  sumOf,
} from "./activity";

const sample = (at: string, running: number) => ({ at, running, waiting: 1, pilots: 2, cores: 3 });
const day: Activity = {
  since: "2026-03-07T10:20:00Z",
  step_s: 300,
  samples: [
    sample("2026-03-07T10:20:00Z", 10),
    sample("2026-03-07T10:25:00Z", 20),
    sample("2026-03-08T10:20:00Z", 7),
  ],
  hours: [
    { hour: "2026-03-07T10:00:00Z", ended: 4, failed: 1 },
    { hour: "2026-03-08T10:00:00Z", ended: 6, failed: 0 },
  ],
};
const words = (value: number) => String(value);

describe("the last day", () => {
  it("has the mean of each quarter of an hour, and gaps where nobody measured", () => {
    const course = courseOf(day, "running");
    expect([course.length, course[0], course[1], course.at(-1)]).toEqual([96, 15, null, 7]);
  });

  it("has the part of failures in each hour, and of the whole day", () => {
    const course = failureCourse(day);
    expect([course.length, course[0], course[1], course.at(-1)]).toEqual([25, 0.25, null, 0]);
    expect(failureRate(day)).toBe(0.1);
    expect(failureRate({ ...day, hours: [] })).toBeUndefined();
  });

  it("counts one's own jobs by how they ended", () => {
    const line = (name: string, values: number[]) => ({ name, values, is_other: false, total: 0 });
    const plotted: Series = {
      value: "jobs",
      unit: "",
      bucket: "hour",
      normalised: false,
      buckets: ["2026-03-07T10:00:00Z", "2026-03-07T11:00:00Z"],
      series: [line("Done", [1, 2]), line("Completed", [0, 1]), line("Failed", [4, 0])],
    };
    const done = endedCourse(plotted, ["Done", "Completed"]);
    expect([done, sumOf(done)]).toEqual([[1, 3], 4]);
  });

  it("is said in words, too", () => {
    expect(rangeOf([3, null, 20], words)).toBe("3 – 20");
    expect(rangeOf([3, 3], words)).toBe("steady at 3");
    expect(rangeOf([null], words)).toBe("no data yet");
  });
});
