import { describe, expect, it } from "vitest";
import { nearest } from "./nearest";

const STATUSES = ["Waiting", "Running", "Done", "Failed", "Killed", "Stalled"];

describe("a word that is misspelt", () => {
  it.each([
    ["Runing", "Running"],
    ["runnign", "Running"],
    ["wait", "Waiting"],
    ["Faild", "Failed"],
    ["done", "Done"],
    ["Kiled", "Killed"],
    ["Sucess", undefined],
    ["Ru", undefined],
    ["", undefined],
  ])("%s is near to %s", (word, near) => expect(nearest(word, STATUSES)).toBe(near));
});
