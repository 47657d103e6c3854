import { describe, expect, it } from "vitest";
import { added, FILES_MAX, folderText, packed, tooLarge } from "./inputs";
import { refusalText, unreachableText } from "./upload";

const named = (...names: string[]) => names.map((name) => ({ name, size: 1 }));

describe("input files", () => {
  it("are added, one of each name", () => {
    const { files, refused } = added(named("a", "b"), named("c", "b", "c"));
    expect(files.map((file) => file.name)).toEqual(["a", "b", "c"]);
    expect(refused).toEqual([
      expect.stringContaining("A file named “b” is already chosen"),
      expect.stringContaining("A file named “c” is already chosen"),
    ]);
  });

  it.each(["", ".", "..", "../a", "/etc/passwd", "a\\b", "a\nb", "a\u0000", "\ud800", "é".repeat(128)])(
    "have names that lead nowhere else: %j",
    (name) => {
      const { files, refused } = added([], named(name));
      expect(files).toEqual([]);
      expect(refused).toEqual([expect.stringContaining("is not a valid file name")]);
    },
  );

  it("are files: folders are for the command line", () => {
    expect(folderText("data")).toMatch(/“data” is a folder.*weyl jobs submit/);
  });

  it("may have names that look like markup or options", () => {
    const names = ["<script>alert(1)", "-rf", "a b", "größe.txt", "$(id)"];
    expect(added([], named(...names)).refused).toEqual([]);
  });

  it("are not too many", () => {
    const many = named(...Array.from({ length: FILES_MAX + 1 }, (_, index) => String(index)));
    const { files, refused } = added([], many);
    expect(files.length).toBe(FILES_MAX);
    expect(refused).toEqual([expect.stringContaining("“1000” was not added")]);
  });

  it("are said to be too large together before they are read", () => {
    expect(tooLarge([{ name: "a", size: 10_000_000 }], 20_000_000)).toBeUndefined();
    expect(
      tooLarge(
        [
          { name: "a", size: 10_000_000 },
          { name: "b", size: 10_000_000 },
        ],
        20_000_000,
      ),
    ).toMatch(/^The files have 20.0 MB in total; the limit is 20.0 MB \(20,000,000 bytes\)/);
  });

  it("have the checksum of their archive", async () => {
    const one = await packed([new File(["x"], "a")]);
    expect(one.checksum).toMatch(/^[0-9a-f]{64}$/);
    expect((await packed([new File(["x"], "a")])).checksum).toBe(one.checksum);
    expect((await packed([new File(["y"], "a")])).checksum).not.toBe(one.checksum);
  });
});

describe("the object store", () => {
  it("is quoted where it refuses", () => {
    expect(refusalText(403, "<Error><Message>Policy expired.</Message></Error>")).toContain(
      "Policy expired. (status 403)",
    );
    expect(refusalText(500, "oops")).toContain("refused the files: status 500");
  });

  it("is named where it cannot be reached, with what is to be done", () => {
    const said = unreachableText("http://s3.example.org:9000", "https://weyl.example.org");
    expect(said).toContain("cannot reach the object store at http://s3.example.org:9000");
    expect(said).toContain("by HTTPS");
    expect(said).toContain("must allow POST from https://weyl.example.org");
    expect(unreachableText("https://s3.example.org", "https://weyl.example.org")).not.toContain("by HTTPS");
  });
});
