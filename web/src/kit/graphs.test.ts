import { describe, expect, it } from "vitest";
import { crossings, type Drawing, type Graph, layOut, pathOf } from "./graphs";

const size = () => ({ width: 100, height: 30 });

function graph(...edges: string[]): Graph {
  const pairs = edges.map((edge) => edge.split(" ") as [string, string]);
  const ids = [...new Set(pairs.flat())];
  return {
    nodes: ids.map((id) => ({ id, label: id, kind: "step" })),
    edges: pairs.map(([from, to]) => ({ from, to, label: "" })),
  };
}

function boxOf(drawing: Drawing, id: string) {
  return drawing.boxes.find((box) => box.id === id) ?? { x: -1, y: -1, width: 0, height: 0 };
}

describe("a drawn graph", () => {
  it("goes from left to right", () => {
    const drawing = layOut(graph("a b", "b c", "a c"), size);
    expect([..."abc"].map((id) => boxOf(drawing, id).x)).toEqual([8, 164, 320]);
    expect(drawing.lines).toHaveLength(3);
    for (const { points } of drawing.lines) {
      const xs = points.map(([x]) => x);
      expect(xs).toEqual([...xs].sort((a, b) => a - b));
    }
  });

  it("puts an input beside what reads it first", () => {
    const drawing = layOut(graph("a b", "b c", "late c"), size);
    expect(boxOf(drawing, "late").x).toBe(boxOf(drawing, "b").x);
  });

  it("lays nothing over anything else", () => {
    const edges = Array.from({ length: 40 }, (_, n) => `n${(n * 7) % 13} m${(n * 5) % 17}`);
    const { boxes } = layOut(graph(...edges, "m1 z", "n1 z", "m3 z"), size);
    for (const [index, a] of boxes.entries()) {
      for (const b of boxes.slice(index + 1)) {
        expect(a.x !== b.x || Math.abs(a.y - b.y) >= 42 - 0.001).toBe(true);
      }
    }
  });

  it("crosses no edges where none need to", () => {
    const drawing = layOut(graph("a y", "b x", "x p", "y q", "a q"), size);
    const [a, b] = [boxOf(drawing, "a").y, boxOf(drawing, "b").y];
    const [x, y] = [boxOf(drawing, "x").y, boxOf(drawing, "y").y];
    expect(a < b).toBe(y < x);
    const end = {};
    expect(crossings([[{ after: [end] }, { after: [] }], [end as { after: [] }]])).toBe(0);
  });

  it("is straight where it is a chain", () => {
    const { lines } = layOut(graph("a b", "b c"), size);
    expect(lines.map(pathOf)).toEqual(["M108 23H164", "M264 23H320"]);
  });

  it("is drawn whatever comes: cycles, loops, edges to nowhere, nothing", () => {
    expect(layOut(graph("a b", "b c", "c a", "a a"), size).boxes).toHaveLength(3);
    const odd = { nodes: [{ id: "a", label: "", kind: "" }], edges: [{ from: "a", to: "b" }] };
    expect(layOut(odd, size).lines).toEqual([]);
    expect(layOut({ nodes: [], edges: [] }, size)).toMatchObject({ boxes: [], lines: [] });
  });

  it("takes a chain of thousands", () => {
    const edges = Array.from({ length: 3000 }, (_, n) => `${n} ${n + 1}`);
    expect(layOut(graph(...edges), size).boxes).toHaveLength(3001);
  });
});
