/** What the palette offers for a text. */

import { type Search, writeState } from "@/kit/address";
import { DOCUMENTATION, GLOSSARY } from "@/kit/documentation";
import type { Group } from "@/kit/nav";
import type { View } from "@/kit/views";

export type Choice = { key: string; title: string; note: string; icon: string; to: string; search?: Search };

const SHOWN_MAX = 30;
/** Pages outside the application. */
const HANDBOOK: Choice[] = [
  { key: "docs", title: "Documentation", note: "how to use weyl", icon: "book", to: DOCUMENTATION },
  { key: "glossary", title: "Glossary", note: "what the words mean", icon: "book", to: GLOSSARY },
];

export function choicesFor(text: string, groups: readonly Group[], views: readonly View[]): Choice[] {
  const wanted = text.trim();
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const pages = groups
    .flatMap((group) => group.entries.flatMap((entry) => entry.tabs.map((tab) => ({ tab, entry, group }))))
    .map(({ tab, entry, group }) => ({
      key: tab.to,
      title: tab.title,
      note: [group.title, entry.title].filter((each) => each && each !== tab.title).join(" › "),
      icon: tab.icon,
      to: tab.to,
    }))
    .filter((page) => words.every((word) => `${page.title} ${page.note}`.toLowerCase().includes(word)));
  const found = wanted ? views.flatMap((view) => inView(wanted, view)) : [];
  const commands = views.flatMap((view) =>
    (view.actions ?? [])
      .filter(
        (action) =>
          action.view && words.every((word) => `${action.title} ${view.title}`.toLowerCase().includes(word)),
      )
      .map((action) => ({
        key: `${view.name}.${action.name}`,
        title: action.title,
        note: view.title,
        icon: action.icon ?? "bolt",
        to: `/${view.name}`,
        search: { do: action.name },
      })),
  );
  const read = HANDBOOK.filter(({ title }) => words.every((word) => title.toLowerCase().includes(word)));
  return [...pages, ...found, ...commands, ...read].slice(0, SHOWN_MAX);
}

/** A number may be an id of a list whose ids are numbers; any other word one of a list whose ids are texts. */
function inView(wanted: string, view: View): Choice[] {
  const id = view.columns.find((column) => column.name === view.id_column);
  const isNumber = /^\d+$/.test(wanted);
  const hasNumbers = id?.type === "int";
  if (!id || hasNumbers !== isNumber) {
    return [];
  }
  const open = {
    key: `${view.name}/${wanted}`,
    title: `${id.title} ${wanted}`,
    note: `open in ${view.title}`,
    icon: view.icon,
    to: `/${view.name}/${encodeURIComponent(wanted)}`,
  };
  if (hasNumbers || !(id.operators.length === 0 || id.operators.includes("like"))) {
    return [open];
  }
  const values = [{ text: `*${wanted}*`, quoted: false }];
  return [
    open,
    {
      key: `${view.name}?${wanted}`,
      title: `${view.title} with “${wanted}” in the name`,
      note: "list",
      icon: view.icon,
      to: `/${view.name}`,
      search: writeState({ conditions: [{ parameter: id.name, operator: "eq", values }] }),
    },
  ];
}
