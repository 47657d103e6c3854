import { expect, it } from "vitest";
import { linesOf, sizeOf } from "./diffs";

const DIFF =
  "diff --git a/default.yml b/default.yml\n--- a/default.yml\n+++ b/default.yml\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n+d\n";

it("tells what is added and what is taken away from what is only said of it", () => {
  expect(linesOf(DIFF).map((line) => line.kind)).toEqual([
    "about",
    "about",
    "about",
    "about",
    "same",
    "removed",
    "added",
    "added",
  ]);
  expect(sizeOf(DIFF)).toEqual({ added: 2, removed: 1 });
});
