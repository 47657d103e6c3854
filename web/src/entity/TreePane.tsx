/** The tree beside a list: what is chosen in it narrows the list down. */

import { ActionIcon, Checkbox } from "@mantine/core";
import {
  IconChevronDown,
  IconChevronRight,
  IconExternalLink,
  IconFolder,
  IconFolderOpen,
  IconLayoutSidebarLeftCollapse,
  IconLayoutSidebarLeftExpand,
} from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { singular } from "@/kit/formats";
import { type AtNode, atNode, nodeOf } from "@/kit/listing";
import { Fault, Waiting } from "@/kit/Panel";
import { useView } from "@/kit/session";
import { kept } from "@/kit/store";
import type { View } from "@/kit/views";
import type { Given } from "./given";
import { type TreeNode, useChildren, useLineage, useTop } from "./useTree";
import "./tree.css";

const NARROW_PX = 760;
const INDENT_PX = 14;

export default function TreePane({
  view,
  conditions,
  change,
}: Pick<Given, "view" | "conditions" | "change">) {
  const name = `tree.${view.name}`;
  const [isShown, setShown] = useState(
    () => window.innerWidth > NARROW_PX && (kept.get<boolean>(name) ?? true),
  );
  const title = useView(view.tree_view ?? "")?.title ?? view.tree_column ?? "";
  const at = nodeOf(conditions);
  const choose = (chosen: AtNode) =>
    change({ conditions: atNode(view, conditions, chosen), sel: undefined, tab: undefined });
  const show = (wanted: boolean) => {
    kept.set(name, wanted);
    setShown(wanted);
  };
  return (
    <nav className="tree-pane" aria-label={title} data-shown={isShown || undefined}>
      <div className="tree-head">
        <ActionIcon
          variant="subtle"
          color="gray"
          size="sm"
          aria-expanded={isShown}
          aria-label={`${title}: ${isShown ? "hide" : "show"} the tree`}
          onClick={() => show(!isShown)}
        >
          {isShown ? <IconLayoutSidebarLeftCollapse size={17} /> : <IconLayoutSidebarLeftExpand size={17} />}
        </ActionIcon>
        <h2>{title}</h2>
      </div>
      {isShown && (
        <>
          <Tree view={view} title={title} chosen={at?.node} onChoose={(node) => choose({ ...at, node })} />
          <div className="tree-foot">
            <Checkbox
              size="xs"
              label="Include subdirectories"
              disabled={at === undefined}
              checked={at?.depth === undefined}
              onChange={(event) =>
                at && choose({ node: at.node, ...(event.target.checked ? {} : { depth: 0 }) })
              }
            />
            {at && view.tree_view && (
              <Link to="/$view/$id" params={{ view: view.tree_view, id: at.node }}>
                {singular({ title })} page <IconExternalLink size={13} aria-hidden />
              </Link>
            )}
          </div>
        </>
      )}
    </nav>
  );
}

type TreeProps = {
  view: View;
  title: string;
  chosen: string | undefined;
  onChoose: (node: string) => void;
};

function Tree({ view, title, chosen, onChoose }: TreeProps) {
  const top = useTop(view);
  const lineage = useLineage(view, chosen);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [focused, setFocused] = useState<string>();
  const element = useRef<HTMLDivElement>(null);

  // What is chosen, or where somebody begins, can be seen: all that is above it is open.
  const way = chosen === undefined ? (top.data?.lineage ?? []) : lineage.slice(0, -1);
  // biome-ignore lint/correctness/useExhaustiveDependencies: opens what is above once it is known, and closes nothing.
  useEffect(() => {
    setOpen((before) => new Set([...before, ...way]));
  }, [way.join("\n")]);

  if (top.isError) {
    return <Fault error={top.error} what={title} onRetry={() => void top.refetch()} />;
  }
  if (top.isPending) {
    return <Waiting />;
  }
  const toggle = (id: string, wanted = !open.has(id)) =>
    setOpen((before) => {
      const next = new Set(before);
      wanted ? next.add(id) : next.delete(id);
      return next;
    });
  const items = () => [...(element.current?.querySelectorAll<HTMLElement>("[role=treeitem]") ?? [])];
  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    const all = items();
    const index = all.indexOf(document.activeElement as HTMLElement);
    const item = all[index];
    if (!item || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const id = item.dataset.node ?? "";
    const isOpen = item.getAttribute("aria-expanded") === "true";
    const moves: Record<string, () => void> = {
      ArrowDown: () => all[index + 1]?.focus(),
      ArrowUp: () => all[index - 1]?.focus(),
      Home: () => all[0]?.focus(),
      End: () => all.at(-1)?.focus(),
      ArrowRight: () => (isOpen ? all[index + 1]?.focus() : item.ariaExpanded && toggle(id, true)),
      ArrowLeft: () => (isOpen ? toggle(id, false) : above(all, index)?.focus()),
      Enter: () => item.click(),
      " ": () => item.click(),
    };
    const move = moves[event.key];
    if (move) {
      event.preventDefault();
      // Below, the same keys move in the table.
      event.stopPropagation();
      move();
    }
  };
  const first = focused ?? chosen ?? top.data.nodes[0]?.id;
  return (
    <div className="tree" role="tree" aria-label={title} ref={element} onKeyDown={onKeyDown}>
      {top.data.nodes.map((node, index) => (
        <Item
          key={node.id}
          {...{ view, node, open, chosen, toggle, onChoose }}
          level={1}
          place={{ at: index + 1, of: top.data.nodes.length }}
          reached={first}
          onFocus={setFocused}
        />
      ))}
      {top.data.nodes.length === 0 && <div className="tree-note">No directories yet.</div>}
    </div>
  );
}

/** Return the item that one lies in: the nearest before it that is nearer to the top. */
function above(items: HTMLElement[], index: number): HTMLElement | undefined {
  const level = Number(items[index]?.ariaLevel);
  return items.slice(0, index).findLast((each) => Number(each.ariaLevel) < level);
}

type ItemProps = {
  view: View;
  node: TreeNode;
  level: number;
  place: { at: number; of: number };
  open: ReadonlySet<string>;
  chosen: string | undefined;
  reached: string | undefined;
  toggle: (id: string) => void;
  onChoose: (node: string) => void;
  onFocus: (id: string) => void;
};

function Item(props: ItemProps) {
  const { node, level, place, open, chosen, reached, toggle, onChoose, onFocus } = props;
  const isOpen = open.has(node.id) && !node.isLeaf;
  const isChosen = node.id === chosen;
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (isChosen) {
      element.current?.scrollIntoView({ block: "nearest" });
    }
  }, [isChosen]);
  return (
    <>
      <div
        ref={element}
        role="treeitem"
        data-node={node.id}
        className="tree-row"
        style={{ paddingLeft: `${(level - 1) * INDENT_PX + 4}px` }}
        title={node.id}
        aria-level={level}
        aria-posinset={place.at}
        aria-setsize={place.of}
        aria-selected={isChosen}
        aria-expanded={node.isLeaf ? undefined : isOpen}
        tabIndex={node.id === reached ? 0 : -1}
        onFocus={() => onFocus(node.id)}
        onClick={() => onChoose(node.id)}
      >
        <span
          className="twist"
          aria-hidden
          onClick={(event) => {
            event.stopPropagation();
            if (!node.isLeaf) {
              toggle(node.id);
            }
          }}
        >
          {!node.isLeaf && (isOpen ? <IconChevronDown size={14} /> : <IconChevronRight size={14} />)}
        </span>
        {isOpen ? <IconFolderOpen size={15} aria-hidden /> : <IconFolder size={15} aria-hidden />}
        <span className="tree-name">{node.name}</span>
      </div>
      {isOpen && <Children {...props} />}
    </>
  );
}

function Children(props: ItemProps) {
  const { view, node, level } = props;
  const found = useChildren(view, node.id, true);
  const nodes = found.data?.pages.flatMap((branch) => branch.nodes) ?? [];
  const of = found.hasNextPage ? -1 : nodes.length;
  const style = { paddingLeft: `${level * INDENT_PX + 22}px` };
  return (
    <>
      {nodes.map((child, index) => (
        <Item key={child.id} {...props} node={child} level={level + 1} place={{ at: index + 1, of }} />
      ))}
      {found.isError && (
        <p className="tree-note" style={style} role="none">
          {found.error instanceof Error ? found.error.message : "It could not be loaded."}
        </p>
      )}
      {found.isFetching && (
        <p className="tree-note" style={style} role="none">
          Loading…
        </p>
      )}
      {found.hasNextPage && !found.isFetching && (
        <div
          className="tree-note"
          role="treeitem"
          aria-level={level + 1}
          aria-selected={false}
          tabIndex={-1}
          style={style}
          onClick={() => void found.fetchNextPage()}
        >
          Show more
        </div>
      )}
    </>
  );
}
