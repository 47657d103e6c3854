import { describe, expect, it } from "vitest";
import { restOf, stepsOf, suggestionsOf } from "./explanation";

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
      condition: "memory",
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
  nearest: [{ site: "A" }],
  limits: [],
  share: { group: "user", rank: 1, of: 2 },
};

describe("an explanation", () => {
  it("names the condition after which nothing was left, and no later one", () => {
    expect(stepsOf(content).map((step) => step.isEnd)).toEqual([false, true, false]);
    expect(stepsOf(content)[1]).toMatchObject({
      wanted: "8000",
      offered: "4000",
      removed: "1 sites, 3 pilots",
      left: "0 sites, 0 pilots",
    });
  });

  it("has suggestions, however they are written", () => {
    expect(suggestionsOf(content)).toEqual(["Ask for less memory", "Wait"]);
  });

  it("keeps what a room says beside", () => {
    const { values, groups, tables } = restOf(content);
    expect(values).toEqual([["position", 3]]);
    expect(groups.map(([name]) => name)).toEqual(["share"]);
    expect(tables.map(([name]) => name)).toEqual(["nearest"]);
  });

  it("may have none of it", () => {
    expect(stepsOf({})).toEqual([]);
    expect(suggestionsOf({ suggestions: null })).toEqual([]);
  });
});
