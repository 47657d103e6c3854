import { describe, expect, it } from "vitest";
import { closedSites, lateQueues } from "./trouble";

describe("what needs an operator's attention", () => {
  it("is every site that gets no jobs, or soon none", () => {
    const sites = [
      { site: "a", status: "Active", draining: false },
      { site: "b", status: "Active", draining: true },
      { site: "c", status: "Banned", draining: false },
      { site: "d", status: "Degraded", draining: false },
    ];
    expect(closedSites(sites).map((each) => each.site)).toEqual(["b", "c"]);
  });

  it("is every queue that waits for more than a day, the oldest first", () => {
    const queues = [
      { class_id: 1, waiting_since: "2026-03-06T00:00:00Z" },
      { class_id: 2, waiting_since: "2026-03-08T00:00:00Z" },
      { class_id: 3, waiting_since: "2026-03-01T00:00:00Z" },
      { class_id: 4, waiting_since: null },
    ];
    const late = lateQueues(queues, new Date("2026-03-08T10:00:00Z"));
    expect(late.map((each) => each.class_id)).toEqual([3, 1]);
  });
});
