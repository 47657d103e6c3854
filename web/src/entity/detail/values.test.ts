import { describe, expect, it } from "vitest";
import { valuesIn } from "./values";

const PFN = "/S3/sandboxes/hep/user/alice/sha256:00ff.tar.bz2";
const file = (member: string, more = {}) => ({
  class: "File",
  location: `sandbox:${PFN}#${member}`,
  basename: member.split("/").at(-1),
  size: 3,
  checksum: "sha1$aa",
  ...more,
});

describe("named values", () => {
  it("have files at any depth, each with the archive that it is in", () => {
    const { files, plain } = valuesIn({
      lines: file("outputs/lines.txt"),
      tables: [file("outputs/a.tab"), file("outputs/b%23.tab")],
      both: { log: file("outputs/x.log"), count: 3 },
      plots: { class: "Directory", basename: "plots", listing: [file("outputs/plots/mass.png")] },
    });
    expect(files.map(({ name, archive, member }) => [name, archive, member])).toEqual([
      ["lines", PFN, "outputs/lines.txt"],
      ["tables[1]", PFN, "outputs/a.tab"],
      ["tables[2]", PFN, "outputs/b#.tab"],
      ["both.log", PFN, "outputs/x.log"],
      ["plots", PFN, "outputs/plots/mass.png"],
    ]);
    expect(files.at(-1)).toMatchObject({ basename: "mass.png", path: "plots/mass.png" });
    expect(files[0]).toMatchObject({ basename: "lines.txt", size: 3, checksum: "sha1$aa" });
    expect(plain).toEqual([{ name: "both.count", text: "3" }]);
  });

  it("have the files that belong to a file", () => {
    const { files } = valuesIn({ bam: file("a.bam", { secondaryFiles: [file("a.bai")] }) });
    expect(files.map((each) => each.basename)).toEqual(["a.bam", "a.bai"]);
  });

  it("are shown as they are where they are no files", () => {
    expect(valuesIn({ n: 1, s: "text", none: null, list: [1, 2], on: true }).plain).toEqual([
      { name: "n", text: "1" },
      { name: "s", text: "text" },
      { name: "none", text: "null" },
      { name: "list", text: "[1,2]" },
      { name: "on", text: "true" },
    ]);
  });

  it("may lie elsewhere, or nowhere", () => {
    const { files } = valuesIn({
      here: { class: "File", contents: "abc", basename: "n.txt" },
      there: { class: "File", location: "lfn:/hep/a.root" },
      old: { class: "File", path: `SB:SandboxSE|${PFN}#in.txt` },
    });
    expect(files[0]).toMatchObject({ contents: "abc", basename: "n.txt" });
    expect(files[1]).toMatchObject({ location: "lfn:/hep/a.root", basename: "a.root" });
    expect(files[1]?.archive).toBeUndefined();
    expect(files[2]).toMatchObject({ archive: `SB:SandboxSE|${PFN}`, member: "in.txt" });
  });
});
