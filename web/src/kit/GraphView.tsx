/** A directed graph, drawn and said: the drawing is for eyes, the table below it says the same and works by keyboard. */

import { useMemo, useRef, useState } from "react";
import { formatNumber, plural } from "./formats";
import { type Box, type Drawing, type Graph, type GraphNode, layOut, pathOf } from "./graphs";
import { NamedIcon } from "./icons";
import { StatusMark, statusOf } from "./Status";
import type { Status } from "./views";
import "./written.css";
import "./graph.css";

type Props = {
  graph: Graph;
  statuses?: Status[];
  label: string;
  /** The table is there when somebody asks for it. */
  isBrief?: boolean;
};

const DRAWN_MAX = 200;
const LISTED_MAX = 1000;
const CHARACTER_PX = 6.8;
const SMALL_PX = 5.8;
const KINDS: Record<string, string> = { input: "Input", step: "Step", output: "Output" };

export default function GraphView({ graph, statuses = [], label, isBrief }: Props) {
  const [chosen, setChosen] = useState<string>();
  const frame = useRef<HTMLElement>(null);
  const { shown, isPart } = useMemo(() => drawn(graph), [graph]);
  // The states change while somebody looks; the drawing stays as it is.
  const shape = JSON.stringify([shown.nodes.map(({ id, label, kind }) => [id, label, kind]), shown.edges]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is drawn changes with the shape only.
  const drawing = useMemo(() => layOut(shown, sizeOf), [shape]);
  const choose = (id: string) => {
    setChosen(id === chosen ? undefined : id);
    const mark = frame.current?.querySelector(`[data-node="${CSS.escape(id)}"]`);
    mark?.scrollIntoView({ block: "nearest", inline: "center" });
  };
  const parts = <Parts graph={graph} statuses={statuses} chosen={chosen} onChoose={choose} />;
  return (
    <div className="graph">
      <Counts nodes={graph.nodes} statuses={statuses} />
      {shown.nodes.length > 0 && (
        <section ref={frame} className="graph-frame" tabIndex={0} aria-label={`Drawing: ${label}`}>
          <Drawn {...{ drawing, statuses, chosen, label }} nodes={shown.nodes} onChoose={choose} />
        </section>
      )}
      {isPart && (
        <p className="faint">
          {shown.nodes.length > 0
            ? "Too large to draw with inputs and outputs; the table lists them."
            : `Too large to draw: ${formatNumber(graph.nodes.length)} parts.`}
        </p>
      )}
      {isBrief ? (
        <details>
          <summary>Show as a table</summary>
          {parts}
        </details>
      ) : (
        parts
      )}
    </div>
  );
}

/** Return what of a graph is drawn: without its inputs and outputs if it is large, and nothing if that is not enough. */
function drawn(graph: Graph): { shown: Graph; isPart: boolean } {
  if (graph.nodes.length <= DRAWN_MAX) {
    return { shown: graph, isPart: false };
  }
  const steps = graph.nodes.filter((node) => node.kind === "step");
  const nodes = steps.length <= DRAWN_MAX ? steps : [];
  return { shown: { nodes, edges: graph.edges }, isPart: true };
}

function sizeOf(node: GraphNode): { width: number; height: number } {
  const isStep = node.kind === "step";
  const width = Math.min(Math.max(node.label.length * CHARACTER_PX + 24, isStep ? 156 : 56), 210);
  return { width, height: isStep ? 46 : 26 };
}

function cut(text: string, width: number, characterPx = CHARACTER_PX): string {
  const most = Math.floor((width - 20) / characterPx);
  return text.length > most ? `${text.slice(0, Math.max(1, most - 1))}…` : text;
}

/** `3 of 10`, or nothing for what runs once. */
function doneText({ done, of }: GraphNode): string {
  return of && of > 1 ? `${formatNumber(done ?? 0)} of ${formatNumber(of)}` : "";
}

function Counts({ nodes, statuses }: { nodes: readonly GraphNode[]; statuses: Status[] }) {
  const steps = nodes.filter((node) => node.kind === "step");
  const counts = new Map<string, number>();
  for (const { state } of steps) {
    if (state) {
      counts.set(state, (counts.get(state) ?? 0) + 1);
    }
  }
  return (
    <ul className="graph-counts">
      <li>{plural(steps.length, "step")}</li>
      {[...counts].map(([state, count]) => (
        <li key={state}>
          {formatNumber(count)} <StatusMark view={{ statuses }} value={state} />
        </li>
      ))}
    </ul>
  );
}

type DrawnProps = {
  drawing: Drawing;
  nodes: readonly GraphNode[];
  statuses: Status[];
  chosen: string | undefined;
  label: string;
  onChoose: (id: string) => void;
};

function Drawn({ drawing, nodes, statuses, chosen, label, onChoose }: DrawnProps) {
  const nodeOf = new Map(nodes.map((node) => [node.id, node]));
  const { width, height } = drawing;
  return (
    <svg
      viewBox={`0 0 ${width} ${height}`}
      width={width}
      height={height}
      style={{ minWidth: Math.min(width, Math.max(480, width * 0.6)) }}
      role="img"
      aria-label={`${label}. The table below shows the same.`}
    >
      <defs>
        <marker
          id="graph-arrow"
          viewBox="0 0 8 8"
          refX="7"
          refY="4"
          markerUnits="userSpaceOnUse"
          markerWidth="9"
          markerHeight="9"
          orient="auto"
        >
          <path d="M0 0.5 L8 4 L0 7.5 Z" />
        </marker>
      </defs>
      {drawing.lines.map((line) => (
        <path
          key={JSON.stringify([line.from, line.to])}
          className="graph-line"
          d={pathOf(line)}
          markerEnd="url(#graph-arrow)"
          data-chosen={line.from === chosen || line.to === chosen || undefined}
        />
      ))}
      {drawing.boxes.map((box) => {
        const node = nodeOf.get(box.id);
        return (
          node && (
            <Node
              key={box.id}
              {...{ node, box }}
              status={node.state ? statusOf({ statuses }, node.state) : undefined}
              isChosen={box.id === chosen}
              onChoose={() => onChoose(box.id)}
            />
          )
        );
      })}
    </svg>
  );
}

type NodeProps = {
  node: GraphNode;
  box: Box;
  status: Status | undefined;
  isChosen: boolean;
  onChoose: () => void;
};

function Node({ node, box, status, isChosen, onChoose }: NodeProps) {
  const isStep = node.kind === "step";
  const done = doneText(node);
  const second = [status?.value ?? node.detail ?? "", done].filter(Boolean).join(", ");
  return (
    <g
      className={`graph-node tone-${status?.tone ?? "neutral"}`}
      transform={`translate(${box.x} ${box.y})`}
      data-node={node.id}
      data-kind={node.kind}
      data-state={status ? true : undefined}
      data-chosen={isChosen || undefined}
      onClick={onChoose}
    >
      <title>{[node.label, status?.value, done, node.detail].filter(Boolean).join("\n")}</title>
      <rect width={box.width} height={box.height} rx={isStep ? 6 : box.height / 2} />
      {isStep && status && <rect className="graph-bar" width={5} height={box.height} rx={2} />}
      <text className="graph-label" x={isStep ? 14 : box.width / 2} y={isStep ? 19 : 17}>
        {cut(node.label || node.id, box.width)}
      </text>
      {isStep && (
        <g className="graph-state">
          {status && (
            <g transform="translate(13 26)">
              <NamedIcon name={status.icon} size={13} />
            </g>
          )}
          <text x={status ? 30 : 14} y={37}>
            {cut(second, box.width - (status ? 16 : 0), SMALL_PX)}
          </text>
        </g>
      )}
    </g>
  );
}

type PartsProps = {
  graph: Graph;
  statuses: Status[];
  chosen: string | undefined;
  onChoose: (id: string) => void;
};

function Parts({ graph, statuses, chosen, onChoose }: PartsProps) {
  const { before, after } = useMemo(() => neighbours(graph), [graph]);
  const hasStates = graph.nodes.some((node) => node.state);
  const rank = (node: GraphNode) => (node.kind === "step" ? 0 : node.kind === "input" ? 1 : 2);
  const nodes = [...graph.nodes].sort((a, b) => rank(a) - rank(b)).slice(0, LISTED_MAX);
  return (
    <div className="sheet-scroll">
      <table className="sheet graph-parts">
        <thead>
          <tr>
            <th>Name</th>
            {hasStates && <th>State</th>}
            {hasStates && <th className="number">Done</th>}
            <th>Kind</th>
            <th>Inputs from</th>
            <th>Outputs to</th>
            <th>Details</th>
          </tr>
        </thead>
        <tbody>
          {nodes.map((node) => (
            <tr key={node.id} data-chosen={node.id === chosen || undefined}>
              <td>
                <button
                  type="button"
                  className="place"
                  aria-pressed={node.id === chosen}
                  onClick={() => onChoose(node.id)}
                >
                  {node.label || node.id}
                </button>
              </td>
              {hasStates && <td>{node.state && <StatusMark view={{ statuses }} value={node.state} />}</td>}
              {hasStates && <td className="number">{doneText(node)}</td>}
              <td className="whole">{KINDS[node.kind] ?? node.kind}</td>
              <td className="links">{before.get(node.id)?.join(", ")}</td>
              <td className="links">{after.get(node.id)?.join(", ")}</td>
              <td className="links faint">{node.detail}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {graph.nodes.length > LISTED_MAX && (
        <p className="faint">
          The first {formatNumber(LISTED_MAX)} of {formatNumber(graph.nodes.length)}.
        </p>
      )}
    </div>
  );
}

/** Return the names of what each node gets something from, and of what it feeds. */
function neighbours({ nodes, edges }: Graph) {
  const nameOf = new Map(nodes.map((node) => [node.id, node.label || node.id]));
  const before = new Map<string, string[]>(nodes.map(({ id }) => [id, []]));
  const after = new Map<string, string[]>(nodes.map(({ id }) => [id, []]));
  const add = (names: string[] | undefined, id: string) => {
    const name = nameOf.get(id) ?? id;
    if (names && !names.includes(name)) {
      names.push(name);
    }
  };
  for (const { from, to } of edges) {
    add(before.get(to), from);
    add(after.get(from), to);
  }
  return { before, after };
}
