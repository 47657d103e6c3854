import { describe, expect, it } from "vitest";
import { findingsOf, restOf, stepsOf, suggestionsOf, tablesOf } from "./explanation";

const content = {
  status: "Waiting",
  verdict: "No pilot has enough memory",
  steps: [
    {
      condition: "site",
      wanted: ["A"],
      best_offered: null,
      sites_removed: 2,
      pilots_removed: 8,
      sites_left: 1,
      pilots_left: 3,
    },
    {
      condition: "ram",
      title: "memory",
      unit: "MiB",
      wanted: 8000,
      best_offered: 4000,
      sites_removed: 1,
      pilots_removed: 3,
      sites_left: 0,
      pilots_left: 0,
    },
    {
      condition: "tags",
      wanted: [],
      best_offered: null,
      sites_removed: 0,
      pilots_removed: 0,
      sites_left: 0,
      pilots_left: 0,
    },
  ],
  suggestions: [{ text: "Ask for less memory" }, "Wait"],
  position: 3,
  class_id: 7,
  job_id: 12,
  ahead: 1205,
  before: [
    { jobs: 5, what: "of the same kind" },
    { jobs: 1200, or_more: true, what: "of its owner, older" },
  ],
  pilots: [{ site: "A", running: 2, waiting: 0 }],
  facts: [{ condition: "Pilots now", text: "2 running, at A", link: null }],
  nearest: [{ site: "A", pilots: 3, fails: [{ condition: "wall_time", wanted: 8000, offered: 4000 }] }],
  limits: [
    { limit: "site=A", jobs: 3, jobs_max: 1000, cores: 3, cores_max: null, delay_s: null, open: true },
  ],
  share: { group: "user", rank: 1, of: 2 },
};

describe("an explanation", () => {
  it("names the condition after which nothing was left, and no later one", () => {
    expect(stepsOf(content).map((step) => step.isEnd)).toEqual([false, true, false]);
    expect(stepsOf(content)[1]).toMatchObject({
      condition: "memory",
      wanted: "8,000 MiB",
      offered: "4,000 MiB",
      removed: "1 site, 3 pilots",
      left: "0 sites, 0 pilots",
    });
  });

  it("has suggestions, however they are written", () => {
    expect(suggestionsOf(content)).toEqual(["Ask for less memory", "Wait"]);
  });

  it("tells its lists in the words of people, and leaves out the empty ones", () => {
    expect(tablesOf(content)).toEqual([
      {
        title: "Before it: more than 1,205 jobs",
        rows: [
          { Jobs: 5, Which: "of the same kind" },
          { Jobs: "1,200 or more", Which: "of its owner, older" },
        ],
      },
      { title: "Pilots that exist", rows: [{ Site: "A", Running: 2, "Waiting to start": 0 }] },
      {
        title: "Kept away by one condition only",
        rows: [{ Site: "A", Pilots: 3, Condition: "wall time", Wanted: "8,000", Offered: "4,000" }],
      },
      {
        title: "Limits",
        rows: [{ Limit: "site=A", Used: "3 of 1,000 jobs", "One more may start": "yes" }],
      },
    ]);
    expect(tablesOf({ before: [], nearest: null })).toEqual([]);
  });

  it("tells findings beside conditions and in their place, and links to our own pages only", () => {
    expect(findingsOf(content)).toEqual([
      { condition: "Pilots now", text: "2 running, at A", link: undefined },
    ]);
    const failed = {
      steps: [
        { condition: "Kind of failure", text: "exit 1", link: "/failures/x" },
        { condition: "Retry", text: "not retried", link: "https://example.org" },
      ],
    };
    expect(findingsOf(failed).map(({ link }) => link)).toEqual(["/failures/x", undefined]);
    expect(stepsOf(failed)).toEqual([]);
  });

  it("keeps what another room says beside, in words, and shows no numbers that are for programs", () => {
    const rest = restOf({ ...content, disk: { free: { gb: 5 } }, seen: [{ host: "a" }], nothing: null });
    expect(rest).toEqual([
      ["disk", "free (gb 5)"],
      ["seen", "(host a)"],
    ]);
  });

  it("may have none of it", () => {
    expect(stepsOf({})).toEqual([]);
    expect(suggestionsOf({ suggestions: null })).toEqual([]);
  });
});
