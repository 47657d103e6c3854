import { describe, expect, it } from "vitest";
import { remarksIn } from "./useRows";
import { branchOf } from "./useTree";

describe("a part of a tree", () => {
  it("is read from an answer", () => {
    const answer = {
      home: "/vo/user/a/alice",
      lineage: ["/vo", "/vo/user"],
      nodes: [{ id: "/vo", name: "vo", leaf: false }],
      cursor: null,
    };
    expect(branchOf(answer)).toEqual({
      home: "/vo/user/a/alice",
      lineage: ["/vo", "/vo/user"],
      nodes: [{ id: "/vo", name: "vo", isLeaf: false }],
      next: undefined,
    });
    expect(branchOf({ ...answer, cursor: "/vo/z", home: null })).toMatchObject({
      next: "/vo/z",
      home: undefined,
    });
  });

  it("is empty where the answer is something else", () => {
    expect(branchOf(undefined)).toEqual({ nodes: [], lineage: [] });
    expect(branchOf({ nodes: "none" })).toMatchObject({ nodes: [], lineage: [] });
  });
});

describe("what a server says of a list", () => {
  it("is said once, and what was left out only of the last part", () => {
    const slow = { remarks: { warnings: ["not indexed: Note"], incomplete: "time is up" } };
    const rest = { remarks: { warnings: ["not indexed: Note"] } };
    expect(remarksIn([slow])).toEqual({ warnings: ["not indexed: Note"], incomplete: "time is up" });
    expect(remarksIn([slow, rest])).toEqual({ warnings: ["not indexed: Note"], incomplete: undefined });
    expect(remarksIn([])).toEqual({ warnings: [], incomplete: undefined });
  });
});
