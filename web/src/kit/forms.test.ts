import { describe, expect, it } from "vitest";
import { defaultsOf, problemsOf, sentValues } from "./forms";
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
    expect(problemsOf(schema, {})).toEqual({ reason: "This is needed." });
    expect(problemsOf(schema, { reason: "  a " })).toEqual({ reason: "At least 3 characters." });
    expect(problemsOf(schema, { reason: "tape broken", count: "0.5" })).toEqual({
      count: "Write a whole number.",
    });
    expect(problemsOf(schema, { reason: "tape broken", until: "soon" })).toEqual({ until: "Write a time." });
    expect(problemsOf(schema, { reason: "tape broken", payload: "[1]" })).toEqual({
      payload: 'Write an object in JSON, such as {"name": 1}.',
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
