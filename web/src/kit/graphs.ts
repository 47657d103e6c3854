/** Lays out a directed graph from left to right: columns by what comes after what, few crossings, straight edges. */

import { isMapping } from "./templates";

export type GraphNode = {
  id: string;
  label: string;
  kind: string;
  detail?: string | null;
  state?: string | null;
  /** Of a step that runs several times: how many are done, and of how many. */
  done?: number | null;
  of?: number | null;
};
export type GraphEdge = { from: string; to: string; label?: string | null };
export type Graph = { nodes: readonly GraphNode[]; edges: readonly GraphEdge[] };

export type Box = { id: string; x: number; y: number; width: number; height: number };
/** An edge as the points that it goes through; between two of them it may bend. */
export type Line = { from: string; to: string; points: [number, number][] };
export type Drawing = { boxes: Box[]; lines: Line[]; width: number; height: number };
export type SizeOf = (node: GraphNode) => { width: number; height: number };

/** Something in a column: a node, or the place where an edge passes a column (which has no id). */
type Slot = { id?: string; height: number; y: number; before: Slot[]; after: Slot[] };
type Arrow = { from: string; to: string };

const SWEEPS = 8;
const GAP_X = 56;
const GAP_Y = 12;
const MARGIN = 8;
/** A passing edge pulls more than a node: a long edge is rather straight than a short one. */
const PASSING_WEIGHT = 4;

/** Return the graph of an answer: of what is no graph, an empty one. */
export function graphIn(content: unknown): Graph {
  const listed = (name: string) => {
    const found = isMapping(content) ? content[name] : undefined;
    return Array.isArray(found) ? found.filter(isMapping) : [];
  };
  return {
    nodes: listed("nodes").filter((node) => typeof node.id === "string") as GraphNode[],
    edges: listed("edges") as GraphEdge[],
  };
}

export function layOut(graph: Graph, sizeOf: SizeOf): Drawing {
  const sizes = new Map(graph.nodes.map((node) => [node.id, sizeOf(node)]));
  const order = [...sizes.keys()];
  const arrows = withoutCycles(order, arrowsOf(graph, sizes));
  const depths = depthsOf(order, arrows);
  const { columns, chains } = columnsOf(order, depths, arrows, (id) => sizes.get(id)?.height ?? 0);
  arrange(columns);
  place(columns);
  const widths = columns.map((slots) =>
    Math.max(0, ...slots.map(({ id }) => sizes.get(id ?? "")?.width ?? 0)),
  );
  const lefts = widths.map((_, at) => MARGIN + sum(widths.slice(0, at)) + at * GAP_X);
  const top = Math.min(...columns.flat().map((slot) => slot.y - slot.height / 2)) - MARGIN;
  const boxes = columns.flatMap((slots, at) =>
    slots.flatMap(({ id, y, height }) =>
      id === undefined
        ? []
        : [{ id, x: lefts[at] ?? 0, y: y - height / 2 - top, width: sizes.get(id)?.width ?? 0, height }],
    ),
  );
  const boxOf = new Map(boxes.map((box) => [box.id, box]));
  const lines = chains.map(({ from, to, passed }): Line => {
    const [start, end] = [boxOf.get(from), boxOf.get(to)];
    const first = depths.get(from) ?? 0;
    const between = passed.flatMap((slot, index): [number, number][] => {
      const at = first + 1 + index;
      const left = lefts[at] ?? 0;
      return [
        [left, slot.y - top],
        [left + (widths[at] ?? 0), slot.y - top],
      ];
    });
    return {
      from,
      to,
      points: [
        [(start?.x ?? 0) + (start?.width ?? 0), (start?.y ?? 0) + (start?.height ?? 0) / 2],
        ...between,
        [end?.x ?? 0, (end?.y ?? 0) + (end?.height ?? 0) / 2],
      ],
    };
  });
  return {
    boxes,
    lines,
    width: Math.max(0, ...boxes.map((box) => box.x + box.width)) + MARGIN,
    height: Math.max(0, ...boxes.map((box) => box.y + box.height)) + MARGIN,
  };
}

/** Return each pair of nodes once that an edge connects. */
function arrowsOf(graph: Graph, known: ReadonlyMap<string, unknown>): Arrow[] {
  const found = new Map<string, Arrow>();
  for (const { from, to } of graph.edges) {
    if (from !== to && known.has(from) && known.has(to)) {
      found.set(JSON.stringify([from, to]), { from, to });
    }
  }
  return [...found.values()];
}

/** Leave out the edges that lead back: a workflow has none, and what is drawn comes from outside. */
function withoutCycles(order: readonly string[], arrows: readonly Arrow[]): Arrow[] {
  const next = groupBy(arrows, (arrow) => arrow.from);
  const state = new Map<string, "open" | "done">();
  const back = new Set<Arrow>();
  for (const root of order) {
    // With a stack of its own: a chain may be longer than the browser's.
    const stack: { id: string; left: Arrow[] }[] = [];
    const enter = (id: string) => {
      state.set(id, "open");
      stack.push({ id, left: [...(next.get(id) ?? [])] });
    };
    if (!state.has(root)) {
      enter(root);
    }
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const arrow = top.left.shift();
      if (!arrow) {
        state.set(top.id, "done");
        stack.pop();
      } else if (state.get(arrow.to) === "open") {
        back.add(arrow);
      } else if (!state.has(arrow.to)) {
        enter(arrow.to);
      }
    }
  }
  return arrows.filter((arrow) => !back.has(arrow));
}

/** Return the column of each node: behind all that it needs, and, if it needs nothing, just before its first reader. */
function depthsOf(order: readonly string[], arrows: readonly Arrow[]): Map<string, number> {
  const depths = new Map(order.map((id) => [id, 0]));
  const before = groupBy(arrows, (arrow) => arrow.to);
  const after = groupBy(arrows, (arrow) => arrow.from);
  const missing = new Map(order.map((id) => [id, before.get(id)?.length ?? 0]));
  const ready = order.filter((id) => missing.get(id) === 0);
  for (let id = ready.shift(); id !== undefined; id = ready.shift()) {
    for (const { to } of after.get(id) ?? []) {
      depths.set(to, Math.max(depths.get(to) ?? 0, (depths.get(id) ?? 0) + 1));
      missing.set(to, (missing.get(to) ?? 0) - 1);
      if (missing.get(to) === 0) {
        ready.push(to);
      }
    }
  }
  for (const id of order) {
    const readers = after.get(id) ?? [];
    if (!before.has(id) && readers.length > 0) {
      depths.set(id, Math.min(...readers.map(({ to }) => depths.get(to) ?? 0)) - 1);
    }
  }
  return depths;
}

type Chain = Arrow & { passed: Slot[] };

function columnsOf(
  order: readonly string[],
  depths: ReadonlyMap<string, number>,
  arrows: readonly Arrow[],
  heightOf: (id: string) => number,
): { columns: Slot[][]; chains: Chain[] } {
  const columns: Slot[][] = Array.from({ length: Math.max(0, ...depths.values()) + 1 }, () => []);
  const slots = new Map<string, Slot>();
  for (const id of order) {
    const slot: Slot = { id, height: heightOf(id), y: 0, before: [], after: [] };
    slots.set(id, slot);
    columns[depths.get(id) ?? 0]?.push(slot);
  }
  const chains = arrows.map(({ from, to }): Chain => {
    const passed: Slot[] = [];
    let last = slots.get(from);
    const join = (slot: Slot | undefined) => {
      if (last && slot) {
        last.after.push(slot);
        slot.before.push(last);
      }
      last = slot;
    };
    for (let at = (depths.get(from) ?? 0) + 1; at < (depths.get(to) ?? 0); at += 1) {
      const slot: Slot = { height: 0, y: 0, before: [], after: [] };
      columns[at]?.push(slot);
      passed.push(slot);
      join(slot);
    }
    join(slots.get(to));
    return { from, to, passed };
  });
  return { columns, chains };
}

/** Sort each column so that few edges cross: by the mean place of the neighbours, to and fro; the best try stays. */
function arrange(columns: Slot[][]): void {
  let best = columns.map((slots) => [...slots]);
  let fewest = crossings(columns);
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep += 1) {
    const isForward = sweep % 2 === 0;
    for (const index of columns.keys()) {
      const at = isForward ? index : columns.length - 1 - index;
      const slots = columns[at] ?? [];
      const places = new Map(columns[isForward ? at - 1 : at + 1]?.map((slot, place) => [slot, place]));
      const wanted = new Map(
        slots.map((slot, place) => {
          const neighbours = isForward ? slot.before : slot.after;
          return [slot, mean(neighbours.map((each) => places.get(each) ?? 0)) ?? place];
        }),
      );
      slots.sort((a, b) => (wanted.get(a) ?? 0) - (wanted.get(b) ?? 0));
    }
    const count = crossings(columns);
    if (count < fewest) {
      fewest = count;
      best = columns.map((slots) => [...slots]);
    }
  }
  columns.splice(0, columns.length, ...best);
}

/** Count how many pairs of edges cross between two columns, over all of them. */
export function crossings(columns: readonly { after: readonly unknown[] }[][]): number {
  return sum(
    columns.slice(0, -1).map((slots, at) => {
      const places = new Map<unknown, number>(columns[at + 1]?.map((slot, index) => [slot, index]));
      const ends = slots.map((slot) => slot.after.map((each) => places.get(each) ?? 0));
      return sum(
        ends.flatMap((mine, index) =>
          ends.slice(index + 1).map((others) => {
            return sum(mine.map((end) => others.filter((other) => other < end).length));
          }),
        ),
      );
    }),
  );
}

/** Give each slot its height in the drawing: near its neighbours, in the order of its column, and never too close. */
function place(columns: readonly Slot[][]): void {
  for (const slots of columns) {
    spread(slots, () => 0);
  }
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const neighbours = (slot: Slot) =>
      sweep === SWEEPS - 1 ? [...slot.before, ...slot.after] : sweep % 2 === 0 ? slot.before : slot.after;
    const columnsThen = sweep % 2 === 0 ? columns : [...columns].reverse();
    for (const slots of columnsThen) {
      spread(slots, (slot) => mean(neighbours(slot).map((each) => each.y)) ?? slot.y);
    }
  }
}

/** Move slots as near to where they want to be as their order and the gaps between them allow (least squares). */
function spread(slots: readonly Slot[], wantedBy: (slot: Slot) => number): void {
  type Block = { slots: Slot[]; offsets: number[]; weight: number; wanted: number };
  const blocks: Block[] = [];
  let offset = 0;
  slots.forEach((slot, index) => {
    const last = slots[index - 1];
    offset += last ? (last.height + slot.height) / 2 + GAP_Y : 0;
    const weight = slot.id === undefined ? PASSING_WEIGHT : 1;
    blocks.push({ slots: [slot], offsets: [offset], weight, wanted: wantedBy(slot) - offset });
    // Neighbours that want to be in each other's place move as one, to the mean of what they want.
    for (let end = blocks.length - 1; end > 0; end -= 1) {
      const [above, below] = [blocks[end - 1], blocks[end]];
      if (!above || !below || above.wanted <= below.wanted) {
        break;
      }
      const both = above.weight + below.weight;
      blocks.splice(end - 1, 2, {
        slots: [...above.slots, ...below.slots],
        offsets: [...above.offsets, ...below.offsets],
        weight: both,
        wanted: (above.wanted * above.weight + below.wanted * below.weight) / both,
      });
    }
  });
  for (const block of blocks) {
    block.slots.forEach((slot, index) => {
      slot.y = block.wanted + (block.offsets[index] ?? 0);
    });
  }
}

/** Return an edge as a path of SVG: level where it begins and ends, and where it passes a column. */
export function pathOf({ points: [first, ...rest] }: Line): string {
  let [x, y] = first ?? [0, 0];
  let path = `M${round(x)} ${round(y)}`;
  for (const [nextX, nextY] of rest) {
    const middle = round((x + nextX) / 2);
    path +=
      y === nextY
        ? `H${round(nextX)}`
        : `C${middle} ${round(y)} ${middle} ${round(nextY)} ${round(nextX)} ${round(nextY)}`;
    [x, y] = [nextX, nextY];
  }
  return path;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number | undefined {
  return values.length > 0 ? sum(values) / values.length : undefined;
}

function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const group = groups.get(keyOf(value));
    if (group) {
      group.push(value);
    } else {
      groups.set(keyOf(value), [value]);
    }
  }
  return groups;
}
