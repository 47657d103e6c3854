/** Puts views and hand-written pages into the groups of the navigation. */

import type { ComponentType } from "react";
import type { View } from "./views";

/** A page that is written by hand; one with a title stands in the navigation. */
export type Page = {
  /** Below `/`; `$name` is a part of the address that the page reads. */
  path: string;
  load: () => Promise<{ default: ComponentType }>;
  title?: string;
  icon?: string;
  group?: string;
  order?: number;
  /** What it is for, in a sentence. */
  doc?: string;
  /** Properties of which one is needed; none: everybody. */
  needs?: string[];
};
export type Entry = { to: string; title: string; icon: string; order: number; doc?: string };
export type Group = { title: string; entries: Entry[] };

/** Return the groups in the order in which their first entries come; entries without a group come before all. */
export function grouped(views: readonly View[], pages: readonly Page[]): Group[] {
  const groups = new Map<string, Entry[]>();
  const add = (group: string, entry: Entry) => groups.set(group, [...(groups.get(group) ?? []), entry]);
  for (const page of pages) {
    if (page.title) {
      add(page.group ?? "", {
        to: page.path,
        title: page.title,
        icon: page.icon ?? "file",
        order: page.order ?? 100,
        doc: page.doc,
      });
    }
  }
  const own = new Set(pages.map((page) => page.path));
  for (const view of views) {
    // A page that is written by hand stands in for the view of its name; to one without a group other pages lead.
    if (view.nav_group !== "" && !own.has(`/${view.name}`)) {
      add(view.nav_group, {
        to: `/${view.name}`,
        title: view.title,
        icon: view.icon,
        order: view.nav_order ?? 100,
        doc: view.doc,
      });
    }
  }
  return [...groups]
    .map(([title, entries]) => ({
      title,
      entries: entries.sort((a, b) => a.order - b.order || compare(a, b)),
    }))
    .sort((a, b) => first(a) - first(b) || a.title.localeCompare(b.title));
}

/** Return the page written by hand that an address leads to. */
export function pageAt(pages: readonly Page[], path: string): Page | undefined {
  return pages.find((page) => page.path.split("/")[1] === path.split("/")[1]);
}

function compare(a: Entry, b: Entry): number {
  return a.title.localeCompare(b.title);
}

function first(group: Group): number {
  return group.title === "" ? Number.NEGATIVE_INFINITY : (group.entries[0]?.order ?? 0);
}
