import { describe, expect, it } from "vitest";
import { parse, parseQuery, specs } from "./filters";
import { counted, matching, sorted } from "./local";

const rows = [
  { Name: "LCG.CERN.ch", Status: "Active", Jobs: 10, Tags: ["a", "b"], Since: "2026-03-10T10:00:00Z" },
  { Name: "LCG.PIC.es", Status: "Banned", Jobs: 2, Tags: ["b"], Since: "2026-03-01T10:00:00Z" },
  { Name: "DIRAC.50%.x", Status: "Active", Jobs: null, Tags: [], Since: null },
];

function names(filter: string): string[] {
  return matching(rows, specs(parse(filter), new Date("2026-03-10T12:00:00Z"))).map((row) =>
    String(row.Name),
  );
}

describe("rows that are here already", () => {
  it.each([
    ["Name = LCG.*", ["LCG.CERN.ch", "LCG.PIC.es"]],
    ["Name != LCG.*", ["DIRAC.50%.x"]],
    ['Name = "DIRAC.50%.x"', ["DIRAC.50%.x"]],
    ["Name = *50%*", ["DIRAC.50%.x"]],
    ["Status in (Banned, Degraded)", ["LCG.PIC.es"]],
    ["Status not in (Banned)", ["LCG.CERN.ch", "DIRAC.50%.x"]],
    ["Jobs > 2", ["LCG.CERN.ch"]],
    ["Jobs < 10", ["LCG.PIC.es"]],
    ["Tags = a", ["LCG.CERN.ch"]],
    ["Since > -2d", ["LCG.CERN.ch"]],
    ["Since < -2d", ["LCG.PIC.es"]],
    ["Name ~ ^LCG.*ch$", ["LCG.CERN.ch"]],
    ["Name ~ [", []],
  ])("with %s are %j", (filter, wanted) => expect(names(filter)).toEqual(wanted));

  it("come in an order, those without a value last", () => {
    const order = sorted(rows, [{ column: "Jobs", descending: false }]).map((row) => row.Jobs);
    expect(order).toEqual([2, 10, null]);
  });

  it("are counted", () => {
    expect(counted(rows, "Status")).toEqual([
      { Status: "Active", count: 2 },
      { Status: "Banned", count: 1 },
    ]);
  });

  it.each([
    ["Jobs between 2 and 9", ["LCG.PIC.es"]],
    ["Jobs >= 2 and Jobs <= 10", ["LCG.CERN.ch", "LCG.PIC.es"]],
    ["Since exists", ["LCG.CERN.ch", "LCG.PIC.es"]],
    ["Jobs missing", ["DIRAC.50%.x"]],
    ["Use.files > 5", ["LCG.PIC.es", "DIRAC.50%.x"]],
  ])("takes the operators of queries for files: %s", (text, wanted) => {
    const deep = rows.map((row, index) => ({ ...row, Use: { files: index * 7 } }));
    const search = specs(parseQuery(text, "Name"), new Date());
    expect(matching(deep, search).map((row) => String(row.Name))).toEqual(wanted);
  });
});
