import { describe, expect, it } from "vitest";
import {
  bundleId,
  canonical,
  closure,
  documentOf,
  likelyEntry,
  manifestOf,
  mentioned,
  textDocument,
} from "./bundles";
import { together } from "./choosing";

const FILES: Record<string, string> = {
  "main.cwl":
    "steps:\n  a: {run: tools/a.cwl, in: {}}\n  b:\n    run: ../x/main.cwl#b\n  c:\n    run: 'with blank.cwl'\n",
  "tools/a.cwl":
    'requirements:\n  - {"$import": "../types.yml"}\n  - $include: lib.js\nhints: [{$mixin: ./mix.yml}]\n',
  "tools/lib.js": "run: tools/never.cwl",
  "tools/mix.yml": "",
  "tools/never.cwl": "",
  "types.yml":
    "inputs:\n  f:\n    default: {class: File, location: data/odd%20name.txt}\n  d:\n    default:\n      class: Directory\n      location: refs\n",
  "data/odd name.txt": "",
  "refs/one.fa": "",
  "refs/deep/two.fa": "",
  "with blank.cwl": "",
  "notes.txt": "main.cwl",
};
const read = async (path: string) => textDocument(path, FILES[path] ?? "");
const known = new Set(Object.keys(FILES));

describe("the files of a workflow", () => {
  it("are those that its documents name, and those that these name", async () => {
    expect((await closure("main.cwl", known, read)).sort()).toEqual([
      "data/odd name.txt",
      "main.cwl",
      "refs/deep/two.fa",
      "refs/one.fa",
      "tools/a.cwl",
      "tools/lib.js",
      "tools/mix.yml",
      "types.yml",
      "with blank.cwl",
    ]);
  });

  it("are none that lie outside of what was chosen", () => {
    expect(mentioned(textDocument("a.cwl", "run: ../../etc/passwd\nrun: http://x/main.cwl"), known)).toEqual(
      [],
    );
  });

  it("begin with the one that no other names", async () => {
    expect(await likelyEntry(Object.keys(FILES), read)).toBe("main.cwl");
    expect(await likelyEntry(["b/z.cwl", "b/workflow.cwl"], read)).toBe("b/workflow.cwl");
    expect(await likelyEntry(["x.txt"], read)).toBeUndefined();
  });

  it("need not be text", () => {
    expect(documentOf("a.bin", new Uint8Array([0xff, 0xfe])).text).toBeUndefined();
  });

  it("lie in one folder, whose name is none of theirs; hidden ones stay out", () => {
    const file = {} as File;
    const paths = (...given: string[]) =>
      together(given.map((path) => ({ path, file }))).map(({ path }) => path);
    expect(paths("wf/main.cwl", "wf/tools/a.cwl", "wf/.git/HEAD")).toEqual(["main.cwl", "tools/a.cwl"]);
    expect(paths("wf/main.cwl", "common/a.cwl")).toEqual(["wf/main.cwl", "common/a.cwl"]);
    expect(paths("main.cwl", ".hidden")).toEqual(["main.cwl"]);
  });
});

describe("the manifest of a workflow", () => {
  it("has the id that the server computes", async () => {
    const documents = [textDocument("main.cwl", "a\n"), textDocument("tools/größe.cwl", "b")];
    const manifest = await manifestOf("main.cwl", null, documents);
    expect(manifest.files["main.cwl"]).toEqual({
      sha256: "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7",
      size: 2,
      content: "YQo=",
    });
    expect(await bundleId(manifest)).toBe("9e489b77d097f7abd651774176c891a3b69c0c455df658f3716246ce6a62ae42");
  });

  it("is written with sorted keys, by code points", () => {
    expect(canonical({ "\u{1f600}": 1, "\uffee": null, b: { d: "é", c: 2 } })).toBe(
      '{"b":{"c":2,"d":"é"},"\uffee":null,"\u{1f600}":1}',
    );
  });
});
