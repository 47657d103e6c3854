/** A directed graph, such as the steps of a workflow, with their states where the answer has them. */

import GraphView from "@/kit/GraphView";
import { graphIn } from "@/kit/graphs";
import { Nothing } from "@/kit/Panel";
import type { TabProps } from "./tab";

export default function Graph({ tab, content }: TabProps) {
  const graph = graphIn(content);
  return graph.nodes.length > 0 ? (
    <GraphView graph={graph} statuses={tab.statuses} label={tab.title} />
  ) : (
    <Nothing>No steps.</Nothing>
  );
}
