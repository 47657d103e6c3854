import { describe, expect, it } from "vitest";
import { writeJson } from "@/kit/json";
import type { Schema } from "@/kit/views";
import {
  bodyOf,
  type Expansion,
  expansionProblems,
  jobsOf,
  jobsText,
  ONE,
  rangeable,
  samplesOf,
  split,
} from "./expansion";

const schema: Schema = {
  type: "object",
  required: ["seed", "mode"],
  properties: {
    seed: { type: "integer" },
    mode: { type: "string" },
    count: { anyOf: [{ type: "integer" }, { type: "null" }] },
    flags: { type: "array", items: { type: "string" }, default: [] },
  },
};
const files = { sent: () => undefined, problemOf: () => undefined };
const range = (more: Partial<Expansion["range"]>): Expansion => ({
  ...ONE,
  mode: "range",
  range: { ...ONE.range, param: "seed", ...more },
});
const scatter = (lists: Record<string, unknown>, method: Expansion["method"] = "dotproduct"): Expansion => ({
  ...ONE,
  mode: "scatter",
  scatter: lists,
  method,
});
const body = (values: Record<string, unknown>, expansion: Expansion) =>
  bodyOf(schema, { values, expansion, files });
const wrong = (values: Record<string, unknown>, expansion: Expansion) =>
  expansionProblems(schema, { values, expansion, files });

describe("one job", () => {
  it("has the inputs that were typed", () => {
    expect(body({ seed: "3", mode: "fast" }, ONE)).toEqual({ inputs: [{ seed: 3, mode: "fast" }] });
    expect(wrong({ seed: "3" }, ONE)).toEqual({ mode: "This field is required." });
    expect(jobsText(schema, ONE)).toBe("1 job");
  });
});

describe("a range", () => {
  it("goes over an input that takes numbers, which is then not asked for", () => {
    expect(rangeable(schema)).toEqual(["seed", "count"]);
    expect(wrong({ mode: "fast" }, range({}))).toEqual({});
    expect(wrong({ mode: "fast" }, range({ param: "mode", end: "x", step: "0" }))).toEqual({
      seed: "This field is required.",
      "?range/param": "Choose an input that takes numbers.",
      "?range/end": "Enter a whole number.",
      "?range/step": "Not 0.",
    });
  });

  it("is half open, and may go down", () => {
    expect(jobsOf(schema, range({}))).toBe(10);
    expect(jobsOf(schema, range({ start: "10", end: "0", step: "-3" }))).toBe(4);
    expect(jobsOf(schema, range({ end: "-1" }))).toBe(0);
    expect(wrong({ mode: "fast" }, range({ end: "-1" }))).toEqual({
      "?range/end": "This would submit no jobs.",
    });
    expect(jobsOf(schema, range({ end: "x" }))).toBeUndefined();
  });

  it("is sent as it is, with what all jobs have in common", () => {
    expect(body({ seed: "9", mode: "fast" }, range({ step: "2" }))).toEqual({
      base_inputs: { mode: "fast" },
      range_param: "seed",
      range_start: 0,
      range_end: 10,
      range_step: 2,
    });
    expect(samplesOf(body({ mode: "fast" }, range({})))).toEqual([{ mode: "fast", seed: 0 }]);
  });
});

describe("a scatter", () => {
  it("asks for a list of each input that differs", () => {
    const { base, varied } = split(schema, scatter({ seed: "" }));
    expect(Object.keys(base.properties ?? {})).toEqual(["mode", "count", "flags"]);
    expect(base.required).toEqual(["mode"]);
    expect(varied.properties?.seed?.items?.type).toBe("integer");
    expect(wrong({ seed: "1", mode: "fast" }, scatter({}))).toEqual({
      "?scatter": "Choose at least one input.",
    });
    expect(wrong({ mode: "fast" }, scatter({ seed: "" }))).toEqual({
      "?scatter": "This would submit no jobs.",
    });
    expect(wrong({ mode: "fast" }, scatter({ seed: "1\nx" }))).toEqual({
      seed: "Line 2: Enter a whole number.",
    });
  });

  it("has as many jobs as the lists are long, or as their product", () => {
    expect(jobsOf(schema, scatter({ seed: "1\n2\n3", mode: "a\nb\nc" }))).toBe(3);
    expect(jobsOf(schema, scatter({ seed: "1\n2\n3", mode: "a\nb" }))).toBeUndefined();
    expect(jobsText(schema, scatter({ seed: "1\n2\n3", mode: "a\nb" }))).toBe("");
    expect(wrong({}, scatter({ seed: "1\n2\n3", mode: "a\nb" }))).toEqual({
      "?scatter": "The lists must have the same length.",
    });
    expect(jobsOf(schema, scatter({ seed: "1\n2\n3", mode: "a\nb" }, "flat_crossproduct"))).toBe(6);
    expect(jobsOf(schema, scatter({ flags: ["a", "a\nb"] }))).toBe(2);
    expect(jobsOf(schema, scatter({ count: "1\n2" }))).toBe(2);
  });

  it("knows only the inputs of its workflow", () => {
    expect(jobsOf(schema, scatter({ seed: "1\n2", gone: "x" }))).toBe(2);
    expect(wrong({ seed: "1", mode: "a" }, scatter({ gone: "x" }))).toEqual({
      "?scatter": "Choose at least one input.",
    });
  });

  it("is sent with its lists", () => {
    const sent = body({ mode: "fast" }, scatter({ seed: "1\n9007199254740993", flags: ["a\nb", ""] }));
    expect(writeJson(sent)).toBe(
      '{"base_inputs":{"mode":"fast"},"scatter":{"seed":[1,9007199254740993],"flags":[["a","b"],[]]},"scatter_method":"dotproduct"}',
    );
    expect(writeJson(samplesOf(sent))).toBe(
      '[{"mode":"fast","seed":1,"flags":["a","b"]},{"mode":"fast","seed":9007199254740993,"flags":[]}]',
    );
  });
});
