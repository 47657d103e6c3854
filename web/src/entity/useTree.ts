/** The nodes of a view's tree: the topmost ones, those above one that is shown, and the children of each. */

import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { askCall } from "@/kit/api";
import { beginsAtHome, personOf } from "@/kit/listing";
import { type Me, useMe } from "@/kit/session";
import { isMapping } from "@/kit/templates";
import type { View } from "@/kit/views";

export type TreeNode = { id: string; name: string; isLeaf: boolean };
export type Branch = { nodes: TreeNode[]; home?: string; lineage: string[]; next?: string };

const SOON = 30_000;

async function askBranch(
  view: View,
  me: Me | undefined,
  given: { node?: string; cursor?: string; signal: AbortSignal },
): Promise<Branch> {
  if (!view.tree) {
    return NONE;
  }
  const values = { ...personOf(me), $node: given.node, $cursor: given.cursor };
  return branchOf(await askCall(view.tree, values, { signal: given.signal }));
}

const NONE: Branch = { nodes: [], lineage: [] };

/** Return what an answer says of a part of the tree. */
export function branchOf(content: unknown): Branch {
  if (!isMapping(content)) {
    return NONE;
  }
  const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
  const nodes = (Array.isArray(content.nodes) ? content.nodes : [])
    .filter(isMapping)
    .map(({ id, name, leaf }) => ({
      id: String(id),
      name: String(name),
      isLeaf: leaf === true,
    }));
  const lineage = Array.isArray(content.lineage) ? content.lineage.map(String) : [];
  return { nodes, lineage, home: text(content.home), next: text(content.cursor) };
}

/** The topmost nodes, and where this person begins; `lineage` leads there from the top. */
export function useTop(view: View) {
  const me = useMe();
  return useQuery({
    queryKey: ["tree", view.name, "top"],
    queryFn: ({ signal }) => askBranch(view, me, { signal }),
    enabled: Boolean(view.tree),
    staleTime: SOON,
  });
}

/** Return where a list begins: its home once that is known, and whether it has to be waited for. */
export function useHome(view: View): { home: string | undefined; isPending: boolean } {
  const top = useTop(view);
  const isWanted = beginsAtHome(view);
  return { home: isWanted ? top.data?.home : undefined, isPending: isWanted && top.isPending };
}

/** The nodes above one, from the top, and the node itself. */
export function useLineage(view: View, node: string | undefined): string[] {
  const me = useMe();
  const found = useQuery({
    queryKey: ["tree", view.name, "lineage", node],
    queryFn: ({ signal }) => askBranch(view, me, { node, signal }),
    enabled: node !== undefined && Boolean(view.tree),
    staleTime: SOON,
    retry: false,
  });
  return found.data?.lineage ?? [];
}

/** The children of a node, as many as were asked for. */
export function useChildren(view: View, node: string, isOpen: boolean) {
  const me = useMe();
  return useInfiniteQuery({
    queryKey: ["tree", view.name, "children", node],
    queryFn: ({ pageParam, signal }) => askBranch(view, me, { node, cursor: pageParam, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (branch) => branch.next,
    enabled: isOpen,
    staleTime: SOON,
  });
}
