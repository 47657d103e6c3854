import { describe, expect, it } from "vitest";
import { withColumns } from "./runtimeColumns";
import { sampleColumn, sampleView } from "./views.sample";

const view = sampleView("files", { columns: [sampleColumn("LFN"), sampleColumn("Size", { type: "bytes" })] });

describe("columns that are known at run time only", () => {
  it("stand behind those of the view, with what may be compared with them", () => {
    const full = withColumns(view, [
      { name: "Run", type: "int", unit: null, values: null, help: "Number of the run" },
      { name: "Particle", type: "text", values: ["gamma", "proton"] },
      { name: "Energy", type: "float", unit: "GeV" },
      { name: "Begin", type: "time" },
    ]);
    expect(full.columns.map((column) => column.name)).toEqual([
      "LFN",
      "Size",
      "Run",
      "Particle",
      "Energy",
      "Begin",
    ]);
    const [, , run, particle, energy, begin] = full.columns;
    expect(run).toMatchObject({ type: "int", help: "Number of the run", sortable: false });
    expect(run?.operators).toContain("between");
    expect(particle).toMatchObject({ values: ["gamma", "proton"] });
    expect(particle?.operators).not.toContain("regex");
    expect(energy?.unit).toBe("GeV");
    expect(begin?.operators).not.toContain("eq");
  });

  it("never stand in for a column of the view, and may be nonsense", () => {
    expect(withColumns(view, [{ name: "Size", type: "text" }])).toBe(view);
    expect(withColumns(view, undefined)).toBe(view);
    expect(withColumns(view, { detail: "no" })).toBe(view);
    expect(withColumns(view, [7, { type: "int" }])).toBe(view);
  });
});
