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
  /** The entry of the navigation that it is a tab of; none: one under its own title. */
  entry?: string;
  /** What it is for, in a sentence. */
  doc?: string;
  /** Properties of which one is needed; none: everybody. */
  needs?: string[];
};
/** One page of an entry; an entry of several shows them as tabs. */
export type NavTab = { to: string; title: string; icon: string; order: number; doc?: string };
export type Entry = { to: string; title: string; icon: string; order: number; tabs: NavTab[] };
export type Group = { title: string; entries: Entry[] };

/**
 * Return the groups in the order in which their first entries come; entries without a group come before all. Views and
 * pages of one entry are its tabs, by their order; the first of those that somebody may see gives it address and icon.
 */
export function grouped(views: readonly View[], pages: readonly Page[]): Group[] {
  const groups = new Map<string, Map<string, NavTab[]>>();
  const add = (group: string, entry: string, tab: NavTab) => {
    const entries = groups.get(group) ?? new Map<string, NavTab[]>();
    groups.set(group, entries.set(entry, [...(entries.get(entry) ?? []), tab]));
  };
  for (const page of pages) {
    if (page.title) {
      add(page.group ?? "", page.entry ?? page.title, {
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
      add(view.nav_group, view.nav_entry || view.title, {
        to: `/${view.name}`,
        title: view.title,
        icon: view.icon,
        order: view.nav_order ?? 100,
        doc: view.doc,
      });
    }
  }
  return [...groups]
    .map(([title, entries]) => ({ title, entries: [...entries].map(entryOf).sort(compare) }))
    .sort((a, b) => first(a) - first(b) || a.title.localeCompare(b.title));
}

function entryOf([title, tabs]: [string, NavTab[]]): Entry {
  const sorted = [...tabs].sort(compare);
  const { to = "/", icon = "file", order = 0 } = sorted[0] ?? {};
  return { to, title, icon, order, tabs: sorted };
}

/** Return the entry that an address belongs to, by the first word of the address. */
export function entryAt(groups: readonly Group[], path: string): Entry | undefined {
  return groups
    .flatMap((group) => group.entries)
    .find((entry) => entry.tabs.some((tab) => wordOf(tab.to) === wordOf(path)));
}

/** Return the tabs that stand on a page: those of its entry, if it is one of several lists or pages. */
export function tabsAt(groups: readonly Group[], path: string): NavTab[] {
  const tabs = entryAt(groups, path)?.tabs ?? [];
  return tabs.length > 1 && tabs.some((tab) => tab.to === path) ? tabs : [];
}

function wordOf(path: string): string | undefined {
  return path.split("/")[1];
}

/** Return the page written by hand that an address leads to. */
export function pageAt(pages: readonly Page[], path: string): Page | undefined {
  return pages.find((page) => wordOf(page.path) === wordOf(path));
}

function compare(a: NavTab | Entry, b: NavTab | Entry): number {
  return a.order - b.order || a.title.localeCompare(b.title);
}

function first(group: Group): number {
  return group.title === "" ? Number.NEGATIVE_INFINITY : (group.entries[0]?.order ?? 0);
}
