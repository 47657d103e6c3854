import { describe, expect, it } from "vitest";
import { offsetOf } from "@/kit/Editor";
import { idRanges, newKey, placeOfKey, readDescriptions, wrongOf } from "./descriptions";

describe("descriptions", () => {
  it("takes one object or a list of them", () => {
    expect(readDescriptions("json", '{"executable": "a"}')).toEqual({
      isRead: true,
      documents: [{ executable: "a" }],
    });
    expect(readDescriptions("json", '[{"executable": "a"}, {}]')).toMatchObject({ isRead: true });
    expect(readDescriptions("json", "[]")).toMatchObject({ isRead: false });
    expect(readDescriptions("json", "[{}, 3]")).toMatchObject({ wrong: { message: /Description 2/ } });
  });

  it("says in which line JSON breaks", () => {
    const read = readDescriptions("json", '{\n  "executable": "a"\n  "cpu": 3\n}');
    expect(read).toMatchObject({ isRead: false, wrong: { place: { line: 3 } } });
  });

  it("leaves JDL to the server", () => {
    expect(readDescriptions("jdl", "[")).toEqual({ isRead: true, documents: ["["] });
  });

  it("finds an attribute however it is written", () => {
    expect(placeOfKey('{\n "input_sandbox": 3}', "InputSandbox")).toEqual({ line: 2, column: 2 });
    expect(placeOfKey('{"a": "input_sandbox"}', "InputSandbox")).toBeUndefined();
  });

  it("believes the server where it names a place", () => {
    expect(wrongOf("[", { message: "bad", said: { line: 1, column: 2 } })).toEqual({
      message: "bad",
      place: { line: 1, column: 2 },
    });
    expect(wrongOf("{}", { message: "bad", said: {} })).toEqual({ message: "bad", place: undefined });
  });

  it("finds places that lie behind the end", () => {
    expect(offsetOf("ab\ncd", { line: 2, column: 9 })).toBe(5);
    expect(offsetOf("ab\ncd", { line: 9 })).toBe(5);
  });

  it("writes ids as ranges", () => {
    expect(idRanges([3, 1, 2, 7])).toBe("1–3, 7");
    expect(newKey()).toMatch(/^[0-9a-f]{32}$/);
  });
});
