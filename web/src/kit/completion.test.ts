import { describe, expect, it } from "vitest";
import { needsValues, optionsAt, placeIn, withOption } from "./completion";
import { sampleCall, sampleColumn, sampleView } from "./views.sample";

const status = {
  value: "Running",
  tone: "progress" as const,
  icon: "x",
  terminal: false,
  help: "On a node.",
};
const view = sampleView("jobs", {
  id_column: "JobID",
  status_column: "Status",
  statuses: [status, { ...status, value: "Done", help: "" }, { ...status, value: "Rescheduled", help: "" }],
  columns: [
    sampleColumn("JobID", { type: "int" }),
    sampleColumn("Status", { type: "status", operators: ["eq", "neq", "in", "not in"] }),
    sampleColumn("MinorStatus", { title: "Minor status" }),
    sampleColumn("Site", { values: sampleCall("POST", "/x") }),
    sampleColumn("LastUpdateTime", { type: "time", operators: ["gt", "lt"] }),
    sampleColumn("Flag", { type: "bool", filterable: false }),
  ],
});
const files = { ...view, tree_column: "Directory" };

/** What is offered behind a text, the caret at its end. */
const offered = (text: string, asked: string[] = [], of = view) => {
  const place = placeIn(text, of);
  return place ? optionsAt(place, of, asked).map(({ label }) => label) : undefined;
};
/** The text once the first option, or another one, has been chosen. */
const chosen = (text: string, index = 0, asked: string[] = []) => {
  const place = placeIn(text, view);
  const option = place && optionsAt(place, view, asked)[index];
  return place && option && withOption(text, text.length, place, option).text;
};

describe("what can come next in a filter", () => {
  it("is a column", () => {
    expect(offered("")).toEqual(["JobID", "Status", "MinorStatus", "Site", "LastUpdateTime"]);
    // What begins with it comes first, names and titles alike.
    expect(offered("stat")).toEqual(["Status", "MinorStatus"]);
    expect(offered("minor s")).toEqual([]);
    expect(chosen("Site = a and la")).toBe("Site = a and LastUpdateTime ");
  });

  it("is a comparison that the column has", () => {
    expect(offered("Status ")).toEqual(["=", "!=", "in", "not in"]);
    expect(offered("Status no")).toEqual(["not in"]);
    expect(offered("LastUpdateTime ")).toEqual([">", "<"]);
    expect(chosen("Status i")).toBe("Status in (");
  });

  it("is a value", () => {
    expect(offered("Status = r")).toEqual(["Running", "Rescheduled"]);
    expect(offered("Status=")).toEqual(["Running", "Done", "Rescheduled"]);
    expect(offered("LastUpdateTime > ")?.[0]).toBe("-1h");
    expect(chosen("Status in (Done, Ru")).toBe("Status in (Done, Running");
    expect(offered("Status in (Done")).toEqual([",", ")"]);
    expect(chosen("Status in (Done", 1)).toBe("Status in (Done)");
    expect(chosen("Status in ")).toBe("Status in (Running");
  });

  it("is a value that the server knows, in quotes where it needs them", () => {
    expect(needsValues(placeIn("Site = ", view), view)).toBe(true);
    expect(needsValues(placeIn("Status = ", view), view)).toBe(false);
    expect(offered("Site = le", ["LCG.Lessing.de", "LCG.CERN.ch"])).toEqual(["LCG.Lessing.de"]);
    expect(chosen("Site = a", 0, ["a b"])).toBe('Site = "a b"');
    expect(chosen('Site = "a ', 0, ["a b"])).toBe('Site = "a b"');
  });

  it("is another condition", () => {
    expect(offered("Status = Done ")).toEqual(["and"]);
    expect(offered("Status in (Done) a")).toEqual(["and"]);
    expect(chosen("Status = Done ")).toBe("Status = Done and ");
  });

  it("is nothing where no help is possible", () => {
    expect(offered("Status = Done or ")).toBeUndefined();
    expect(offered("12")).toBeUndefined();
    expect(offered("under /vo/mc", [], files)).toBeUndefined();
    expect(offered("/vo/m", [], files)).toBeUndefined();
    expect(offered("under /vo/mc: Sta", [], files)).toEqual(["Status", "MinorStatus"]);
    expect(offered("JobID between 1 and 5 and Sit", [], files)).toEqual(["Site"]);
  });
});
