import { describe, expect, it } from "vitest";
import { answered, endOf } from "./wholeLog";

describe("the whole of a log", () => {
  it("is shown from its end where it is long, and from the start of a line", async () => {
    expect(await endOf(new Blob(["one\ntwo\n"]))).toBe("one\ntwo\n");
    expect(await endOf(new Blob(["one\ntwo\nthree\n"]), 8)).toBe("three\n");
    // One line without an end has no better place to begin.
    expect(await endOf(new Blob(["0123456789"]), 4)).toBe("6789");
  });

  it("is told of by a text, or by where it is", () => {
    expect(answered("a\n")).toEqual({ text: "a\n" });
    expect(answered(undefined)).toEqual({ text: "" });
    const said = answered({
      text: null,
      sandbox: "/S3/a.tar.bz2",
      file: "std.out",
      note: null,
      heard_at: "2026-11-28",
    });
    expect(said).toEqual({ text: "", sandbox: "/S3/a.tar.bz2", file: "std.out", heardAt: "2026-11-28" });
  });
});
