import { describe, expect, it } from "vitest";
import { defaultsOf, type FileRules, kindOf, prefilled, problemsOf, sentValues } from "./forms";
import { writeJson } from "./json";
import type { Schema } from "./views";

const schema: Schema = {
  type: "object",
  required: ["reason"],
  properties: {
    reason: { type: "string", minLength: 3, maxLength: 20 },
    until: { type: "string", format: "date-time" },
    count: { type: "integer", minimum: 1 },
    reset: { type: "boolean", default: false },
    payload: { type: "object" },
  },
};

describe("a form from a schema", () => {
  it("begins with what the schema says", () => expect(defaultsOf(schema)).toEqual({ reset: false }));

  it("says what is wrong", () => {
    expect(problemsOf(schema, {})).toEqual({ reason: "This field is required." });
    expect(problemsOf(schema, { reason: "  a " })).toEqual({ reason: "At least 3 characters." });
    expect(problemsOf(schema, { reason: "tape broken", count: "0.5" })).toEqual({
      count: "Enter a whole number.",
    });
    expect(problemsOf(schema, { reason: "tape broken", until: "soon" })).toEqual({ until: "Enter a time." });
    expect(problemsOf(schema, { reason: "tape broken", payload: "[1]" })).toEqual({
      payload: 'Enter a JSON object, such as {"name": 1}.',
    });
  });

  it("sends values of the right type, and none for what is empty", () => {
    const sent = sentValues(schema, {
      reason: "tape",
      until: "2026-03-10T12:00:00Z",
      count: "3",
      reset: false,
      payload: '{"a": 1}',
    });
    expect(sent).toEqual({
      reason: "tape",
      until: "2026-03-10T12:00:00.000Z",
      count: 3,
      reset: false,
      payload: { a: 1 },
    });
    expect(sentValues(schema, { reason: "tape", until: "", count: "" })).toEqual({ reason: "tape" });
  });
});

const FILE: Schema = {
  type: "object",
  properties: { class: { const: "File" }, location: { type: "string" } },
  required: ["class"],
  "x-cwl-type": "File",
};
const NULL: Schema = { type: "null" };
const inputs: Schema = {
  type: "object",
  required: ["seed", "reads", "sizes", "options"],
  properties: {
    seed: { type: "integer", minimum: -(2 ** 63), maximum: 2 ** 63, "x-cwl-type": "long" },
    scale: { type: "number", default: 1, "x-cwl-type": "double" },
    mode: { anyOf: [{ enum: ["fast", "exact"] }, NULL] },
    reads: { type: "array", items: FILE, "x-cwl-type": "File[]" },
    sizes: { type: "array", items: { type: "integer" } },
    options: {
      type: "object",
      required: ["level"],
      properties: { level: { type: "integer", minimum: 0 }, "a/b": { anyOf: [{ type: "string" }, NULL] } },
    },
    either: { anyOf: [FILE, { type: "string" }, { type: "array", items: { type: "number" } }, NULL] },
    matrix: {
      anyOf: [
        { type: "array", items: { type: "array", items: { anyOf: [{ type: "integer" }, NULL] } } },
        NULL,
      ],
    },
    quiet: { anyOf: [{ type: "boolean" }, NULL] },
    any: {},
  },
};
const files: FileRules = {
  sent: (_, value) => ({ class: "File", location: value }),
  problemOf: (_, value) => (value === "gone" ? "It is gone." : undefined),
};
const sent = (values: Record<string, unknown>) =>
  writeJson(sentValues(inputs, values, { files, isExact: true }));

describe("a form of typed inputs", () => {
  it("tells by what each is given", () => {
    const kinds = Object.entries(inputs.properties ?? {}).map(([name, field]) => [name, kindOf(field)]);
    expect(Object.fromEntries(kinds)).toEqual({
      seed: "number",
      scale: "number",
      mode: "choice",
      reads: "list",
      sizes: "lines",
      options: "record",
      either: "union",
      matrix: "list",
      quiet: "boolean",
      any: "json",
    });
  });

  it("asks for what is needed, inside of what has parts too", () => {
    expect(problemsOf(inputs, {}, files)).toEqual({
      seed: "This field is required.",
      "options/level": "This field is required.",
    });
    expect(problemsOf(inputs, { seed: "1", options: { level: "0" } }, files)).toEqual({});
  });

  it("says what is wrong where it is", () => {
    const wrong = problemsOf(
      inputs,
      {
        seed: "1.5",
        scale: "much",
        reads: ["here", "gone", undefined],
        sizes: "1\n\n2\nx",
        options: { level: "-1", "a/b": "" },
        either: { option: 7 },
        matrix: [["1", ""], ["x"]],
        any: "{",
      },
      files,
    );
    expect(wrong).toMatchObject({
      seed: "Enter a whole number.",
      scale: "Enter a number.",
      "reads/1": "It is gone.",
      "reads/2": "This field is required.",
      sizes: "Line 3: Enter a whole number.",
      "options/level": "At least 0.",
      either: "Choose a type.",
      "matrix/1/0": "Enter a whole number.",
    });
    expect(wrong.any).toContain("JSON");
    expect(problemsOf(inputs, { ...fine, either: { option: 1 } }, files)).toEqual({
      either: "This field is required.",
    });
    expect(problemsOf(inputs, { ...fine, seed: "9223372036854775809" }, files)).toEqual({
      seed: "The number does not fit into 64 bits.",
    });
  });

  const fine = { seed: "1", options: { level: "2" } };

  it("sends what was typed, and leaves to the document what was not", () => {
    expect(sent(fine)).toBe('{"seed":1,"reads":[],"sizes":[],"options":{"level":2}}');
    expect(
      sent({
        ...fine,
        reads: ["a", "b"],
        sizes: "3\n4\n",
        mode: "fast",
        either: { option: 2, value: "1.50\n2" },
        matrix: [["1", ""], []],
        quiet: false,
        any: '{"x": 1.0}',
      }),
    ).toBe(
      '{"seed":1,"mode":"fast","reads":[{"class":"File","location":"a"},{"class":"File","location":"b"}],' +
        '"sizes":[3,4],"options":{"level":2},"either":[1.50,2],"matrix":[[1,null],[]],"quiet":false,"any":{"x": 1.0}}',
    );
  });

  it("keeps the digits of numbers", () => {
    expect(sent({ ...fine, seed: "9007199254740993", scale: "1.0" })).toContain(
      '{"seed":9007199254740993,"scale":1.0,',
    );
    expect(sent({ ...fine, seed: "+007", scale: ".5e3" })).toContain('{"seed":7,"scale":0.5e3,');
  });
});

describe("a form that changes something", () => {
  it("begins with what is there", () => {
    const schema = {
      type: "object",
      properties: {
        help: { type: "string", default: "{help}" },
        unit: { type: "string", default: "{unit}" },
        values: { type: "array", items: { type: "string" }, default: "{values}" },
        force: { type: "boolean", default: false },
      },
    };
    const begun = prefilled(schema, { help: "What it means", unit: null, values: ["a", "b"] });
    expect(defaultsOf(begun)).toEqual({ help: "What it means", values: ["a", "b"], force: false });
    expect(sentValues(begun, defaultsOf(begun))).toEqual({
      help: "What it means",
      values: ["a", "b"],
      force: false,
    });
    // What had a value and is emptied is cleared; what had none is left out.
    expect(sentValues(begun, { help: "", unit: "", values: "", force: false })).toEqual({
      help: null,
      values: null,
      force: false,
    });
    expect(defaultsOf(prefilled(schema, undefined))).toEqual({ force: false });
    expect(prefilled(null, {})).toBeNull();
  });
});
