import { describe, expect, it } from "vitest";
import { FilterFault, render } from "./filters";
import { Misspelt, readable, readFilter } from "./meaning";
import { sampleColumn, sampleView } from "./views.sample";

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
  statuses: [status, { ...status, value: "Done" }, { ...status, value: "Failed" }],
  columns: [
    sampleColumn("JobID", { type: "int" }),
    sampleColumn("Status", { type: "status" }),
    sampleColumn("MinorStatus", { title: "Minor status" }),
    sampleColumn("Site"),
  ],
});

const read = (text: string) => render(readFilter(text, view));
const problem = (text: string): Misspelt => {
  try {
    readFilter(text, view);
  } catch (error) {
    if (error instanceof Misspelt) {
      return error;
    }
  }
  throw new Error(`“${text}” is not misspelt`);
};
const instead = (text: string) => {
  try {
    readFilter(text, view);
  } catch (error) {
    return error instanceof FilterFault ? readable(text, error, view) : undefined;
  }
  throw new Error(`“${text}” can be read`);
};

describe("what is typed into a filter", () => {
  it("means the same in any case", () => {
    expect(read("status = done and SITE = LCG.*")).toBe("Status = Done and Site = LCG.*");
    expect(read("Status in (failed, RUNNING)")).toBe("Status in (Failed, Running)");
    expect(read("12, 13")).toBe("JobID in (12, 13)");
  });

  it("may be misspelt: the nearest name is told, and the filter as it was meant", () => {
    expect(problem("Statsu = Done").message).toBe("There is no column Statsu. Did you mean Status?");
    expect(problem("Statsu = Done").instead).toBe("Status = Done");
    expect(problem('Site = a and minor = "x y"').instead).toBe('Site = a and MinorStatus = "x y"');
    expect(problem("Status in (Done, Runing)").message).toBe(
      "There is no status “Runing”. Did you mean Running?",
    );
    expect(problem("Status in (Done, Runing)").instead).toBe("Status in (Done, Running)");
  });

  it("may be far from anything: then all that there are is told", () => {
    expect(problem("Status = Blue").message).toBe(
      "There is no status “Blue”. There are Running, Done, Failed.",
    );
    expect(problem("Colour = Blue").instead).toBeUndefined();
  });

  it("leaves alone what is no value but a pattern", () => {
    expect(read("Status = Run*")).toBe("Status = Run*");
    expect(read("Status like Run%")).toBe("Status like Run%");
    expect(read("Site = Nowhere")).toBe("Site = Nowhere");
  });

  it.each([
    ["Status == Done", "Status = Done"],
    ["Status is Done", "Status = Done"],
    ["Status is not Done", "Status != Done"],
    ["Status <> Done", "Status != Done"],
    ["Status = Done && Site = x", "Status = Done and Site = x"],
    ["Site contains CERN", "Site = *CERN*"],
    ["Status inn (Done)", "Status in (Done)"],
    ["Status = Done or Site = x", undefined],
  ])("in another language, %s, is %s", (text, right) => expect(instead(text)).toBe(right));
});
