import { describe, expect, it } from "vitest";
import { withSandbox } from "./sandbox";

const SB = "SB:SandboxSE|/S3/b/hep/user/alice/sha256:ab.tar.zst";
const jdl = (text: string) => withSandbox({ form: "jdl", text, documents: [text] }, SB);
const json = (...documents: unknown[]) => withSandbox({ form: "json", text: "", documents }, SB);

describe("the sandbox of a description", () => {
  it("is not there without files", () => {
    const sent = withSandbox({ form: "jdl", text: "[ ]", documents: ["[ ]"] }, undefined);
    expect(sent.documents).toEqual(["[ ]"]);
  });

  it.each([
    ["[\n  A = 1;\n]", `[ InputSandbox = {"${SB}"};\n  A = 1;\n]`],
    ["A = 1;", `InputSandbox = {"${SB}"}; A = 1;`],
    ["# about [\n[ A = 1 ]", `# about [\n[ InputSandbox = {"${SB}"}; A = 1 ]`],
    ['[ InputSandbox = {"a", "b"}; ]', `[ InputSandbox = {"${SB}", "a", "b"}; ]`],
    ["[ inputsandbox={ }; ]", `[ inputsandbox={"${SB}" }; ]`],
    ['[ INPUTSANDBOX = "a"; ]', `[ INPUTSANDBOX = {"${SB}", "a"}; ]`],
    ['[ InputSandbox = "a,b" ]', `[ InputSandbox = {"${SB}", "a", "b"} ]`],
    ["[ InputSandbox = undefined; ]", `[ InputSandbox = {"${SB}"}; ]`],
    [
      'InputSandbox /* here */ = /* now */ "a" // and so on',
      `InputSandbox /* here */ = /* now */ {"${SB}", "a"} // and so on`,
    ],
    [
      '[ InputSandbox = {"x"}; InputSandbox = {"y"}; ]',
      `[ InputSandbox = {"x"}; InputSandbox = {"${SB}", "y"}; ]`,
    ],
  ])("is added to %j", (text, expected) => {
    expect(jdl(text).shown).toBe(expected);
    expect(jdl(text).documents).toEqual([expected]);
  });

  it.each([
    '[ Arguments = "InputSandbox = {1}; ]"; ]',
    '[ Parts = [ InputSandbox = {"a"}; ]; ]',
    '[ Parts = { "InputSandbox", InputSandbox }; ]',
    "[ // InputSandbox = {1};\n ]",
    '[ A = InputSandbox == "b"; ]',
  ])("is not added to what only looks like it: %j", (text) => {
    expect(jdl(text).shown).toBe(`[ InputSandbox = {"${SB}"};${text.slice(1)}`);
  });

  it("does not change what is broken", () => {
    for (const text of ["", "[", "]", '[ InputSandbox = "a', "[ InputSandbox = ;", "[ = ; InputSandbox ]"]) {
      expect(jdl(text).shown).toContain(SB);
    }
  });

  it("leaves lines as they are, and places lead back to what was written", () => {
    const text = '[ A = "\n"; InputSandbox = {"a"}; B = ; ]';
    const sent = jdl(text);
    expect(sent.shown.split("\n").length).toBe(text.split("\n").length);
    const column = (sent.shown.split("\n")[1] ?? "").indexOf("B =") + 1;
    const before = (text.split("\n")[1] ?? "").indexOf("B =") + 1;
    expect(sent.back({ line: 2, column })).toEqual({ line: 2, column: before });
    expect(sent.back({ line: 1, column: 3 })).toEqual({ line: 1, column: 3 });
    expect(sent.back({ line: 2 })).toEqual({ line: 2 });
  });

  it("is the first of the input_sandbox of each description in JSON, however it is spelled", () => {
    expect(json({ executable: "a" }, { InputSandbox: "b, c" }, { inputsandbox: ["d"] }).documents).toEqual([
      { executable: "a", input_sandbox: [SB] },
      { InputSandbox: [SB, "b", " c"] },
      { inputsandbox: [SB, "d"] },
    ]);
    expect(json({ Input_Sandbox: null }).documents).toEqual([{ Input_Sandbox: [SB] }]);
    expect(JSON.parse(json({ a: 1 }).shown)).toEqual({ a: 1, input_sandbox: [SB] });
  });
});
