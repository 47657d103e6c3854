import { describe, expect, it } from "vitest";
import type { Schema } from "@/kit/views";
import {
  besideOf,
  fileRules,
  type Given,
  keysIn,
  missingBeside,
  sourcesOf,
  withPrimaryFirst,
} from "./givenFiles";

const FILE: Schema = { properties: { class: { const: "File" } } };
const FOLDER: Schema = { properties: { class: { const: "Directory" } } };
const INDEXED: Schema = {
  ...FILE,
  "x-cwl-secondaryFiles": [{ pattern: ".fai" }, { pattern: "^.dict?", required: false }],
};
const PFN = "SB:SandboxSE|/S3/sandboxes/hep/user/alice/sha256:00.tar.zst";
const chosen = (...paths: string[]) => paths.map((path) => ({ path, file: { size: path.length } as File }));
const given = new Map<string, Given>([
  ["a", { kind: "file", name: "x.fa", files: chosen("x.fa", "x.fa.fai") }],
  ["b", { kind: "folder", name: "refs #1", files: chosen("one.txt", "deep/two.txt") }],
]);
const here = (key: string) => ({ from: "here", key, name: key });
const values = { genome: here("a"), more: [{ ref: here("b") }, { from: "there", location: "sandbox:x" }] };

describe("files given as inputs", () => {
  it("are found wherever they stand in a form", () => expect(keysIn(values)).toEqual(["a", "b"]));

  it("have folders of their own in the archive", () => {
    expect(sourcesOf(keysIn(values), given).map(({ name, size }) => [name, size])).toEqual([
      ["0/x.fa", 4],
      ["0/x.fa.fai", 8],
      ["1/refs #1/one.txt", 7],
      ["1/refs #1/deep/two.txt", 12],
    ]);
  });

  it("become CWL's objects, with the places where they will be", () => {
    const rules = fileRules({ keys: ["a", "b"], given, pfn: PFN });
    const place = "sandbox:/S3/sandboxes/hep/user/alice/sha256:00.tar.zst#";
    expect(rules.sent(FILE, here("a"))).toEqual({
      class: "File",
      location: `${place}0/x.fa`,
      secondaryFiles: [{ class: "File", location: `${place}0/x.fa.fai` }],
    });
    expect(rules.sent(FOLDER, here("b"))).toEqual({ class: "Directory", location: `${place}1/refs%20%231/` });
    expect(rules.sent(FILE, { from: "text", name: "n.txt", contents: "a" })).toEqual({
      class: "File",
      basename: "n.txt",
      contents: "a",
    });
    expect(rules.sent(FILE, { from: "there", location: " sandbox:y#a " })).toEqual({
      class: "File",
      location: "sandbox:y#a",
    });
  });

  it("are empty ones of their names as long as they are not packed", () => {
    const rules = fileRules({ keys: ["a", "b"], given });
    expect(rules.sent(FOLDER, here("b"))).toEqual({ class: "Directory", basename: "refs #1", listing: [] });
    expect(rules.sent(FILE, here("a"))).toMatchObject({ basename: "x.fa", contents: "" });
  });

  it("say what is wrong with them", () => {
    const { problemOf } = fileRules({ keys: [], given });
    expect(problemOf(FILE, here("lost"))).toContain("Choose “lost” again");
    expect(problemOf(FILE, { from: "there", location: " " })).toBe("Write where it is.");
    expect(problemOf(FILE, { from: "text", name: "a", contents: "é".repeat(40_000) })).toContain("64 KiB");
    expect(problemOf(INDEXED, here("a"))).toBeUndefined();
    expect(problemOf({ ...FILE, "x-cwl-secondaryFiles": [{ pattern: "^.bai" }] }, here("a"))).toBe(
      "Choose these files together with it: x.bai.",
    );
  });
});

describe("secondary files", () => {
  it("have names made of that of their file", () => {
    expect(besideOf("a.tar.gz", ".md5")).toBe("a.tar.gz.md5");
    expect(besideOf("a.tar.gz", "^.idx")).toBe("a.tar.idx");
    expect(besideOf("a.tar.gz", "^^.idx")).toBe("a.idx");
    expect(besideOf("a", "^.b?")).toBe("a.b");
    expect(besideOf("a", "$(inputs.x)")).toBeUndefined();
  });

  it("come behind their file, in whatever order they are chosen", () => {
    const names = (...paths: string[]) => withPrimaryFirst(INDEXED, chosen(...paths)).map(({ path }) => path);
    expect(names("x.dict", "x.fa.fai", "x.fa")[0]).toBe("x.fa");
    expect(names("x.fa", "x.fa.fai")).toEqual(["x.fa", "x.fa.fai"]);
    expect(missingBeside(INDEXED, ["x.fa"])).toEqual(["x.fa.fai"]);
  });
});
