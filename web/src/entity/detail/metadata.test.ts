import { describe, expect, it } from "vitest";
import { problemsOf, sentValues } from "@/kit/forms";
import { columnOf, metadataOf, schemaOf, typedOf } from "./metadata";

const told = {
  may_edit: true,
  fields: [
    {
      name: "Run",
      type: "int",
      unit: null,
      values: null,
      help: "",
      value: 1200,
      from: "/vo/a/f",
      is_own: true,
    },
    { name: "Energy", type: "float", unit: "GeV", value: 7.5, from: "/vo/a", is_own: false },
    { name: "Particle", type: "text", values: ["gamma", "proton"], value: null, from: null, is_own: false },
    { name: "Begin", type: "time", value: "2026-11-27T20:00:00Z", is_own: true },
    { name: "Checked", type: "bool", value: false, is_own: true },
  ],
};

describe("named values that may be set", () => {
  const { fields, mayEdit } = metadataOf(told);
  const [run, energy, particle, begin, checked] = fields as [never, never, never, never, never];

  it("say where each comes from", () => {
    expect(mayEdit).toBe(true);
    expect(run).toMatchObject({ value: 1200, isOwn: true, from: undefined });
    expect(energy).toMatchObject({ value: 7.5, isOwn: false, from: "/vo/a" });
    expect(particle).toMatchObject({ value: undefined, isOwn: false });
    expect(checked).toMatchObject({ value: false });
    expect(columnOf(energy)).toMatchObject({ type: "float", unit: "GeV" });
  });

  it("are asked for by their types", () => {
    expect(sentValues(schemaOf(run), { value: "17" })).toEqual({ value: 17 });
    expect(problemsOf(schemaOf(run), { value: "1.5" })).toEqual({ value: "Enter a whole number." });
    expect(problemsOf(schemaOf(run), { value: "9007199254740993" })).toHaveProperty("value");
    expect(problemsOf(schemaOf(particle), { value: "muon" })).toHaveProperty("value");
    expect(sentValues(schemaOf(checked), { value: false })).toEqual({ value: false });
    expect(sentValues(schemaOf(begin), { value: typedOf(begin) })).toEqual({
      value: "2026-11-27T20:00:00.000Z",
    });
  });

  it("are none where the answer is something else", () => {
    expect(metadataOf([])).toEqual({ fields: [], mayEdit: false });
    expect(metadataOf({ fields: 5 })).toEqual({ fields: [], mayEdit: false });
  });
});
