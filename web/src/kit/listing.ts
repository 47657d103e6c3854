/** What a list asks the API for, from its view and its address; pure, so that copying as CLI or curl says the same. */

import type { ListState, Sort } from "./address";
import { bodyOf, type Row } from "./api";
import { type Condition, literal, render, type Spec, specs, type Word } from "./filters";
import { textOf } from "./local";
import type { Me } from "./session";
import { fill, fillPath, fillText, placeholders, type Values } from "./templates";
import { isRelative } from "./times";
import type { Action, ApiCall, Column, DeclaredCondition, View } from "./views";

/** Return what tells a row from all others, as text: its id, or the columns that only together do. */
export function keyOf(view: View, row: Row): string {
  return view.key?.length
    ? view.key.map((name) => textOf(row[name])).join(KEY_MARK)
    : textOf(row[view.id_column]);
}

/** Return the columns that the key of a row stands for; a bare id stands for the id column. */
export function partsOf(view: View, key: string): Row {
  const parts = key.split(KEY_MARK);
  const named = view.key?.length === parts.length && parts.length > 1 ? view.key : [view.id_column];
  const values = named.length > 1 ? parts : [key];
  return Object.fromEntries(named.map((name, index) => [name, typed(view, name, values[index] ?? "")]));
}

function typed(view: View, name: string, text: string): unknown {
  const isNumber = view.columns.find((column) => column.name === name)?.type === "int";
  return isNumber && /^-?\d+$/.test(text) ? Number(text) : text;
}

const KEY_MARK = "|";

export function personOf(me: Me | undefined): Values {
  return me ? { $me: me.preferred_username, $vo: me.vo, $group: me.group } : {};
}

/** Return conditions that a view declares, with who is logged in and the row that is open filled in. */
export function declared(conditions: readonly DeclaredCondition[] | undefined, values: Values): Condition[] {
  return (conditions ?? []).map(({ parameter, operator, value, values: several }) => ({
    parameter,
    operator,
    values: (several ?? [value ?? ""]).map((each) => wordOf(fill(each, values) ?? "")),
  }));
}

function wordOf(value: unknown): Word {
  const text = String(value);
  return isRelative(text) ? { text, quoted: false } : literal(text);
}

/**
 * Return the conditions of a list: those of its address, or the view's own unless somebody wants all.
 *
 * `home` is where its tree says that the person begins; without one the list begins at the top.
 */
export function conditionsOf(
  view: View,
  state: ListState,
  me: Me | undefined,
  wantsAll = false,
  home?: string,
): Condition[] {
  const own = (view.default_filter ?? []).filter(({ value }) => home !== undefined || value !== HOME);
  return state.conditions ?? (wantsAll ? [] : declared(own, { ...personOf(me), $home: home }));
}

const HOME = "{$home}";

/** Tell whether a list begins at the home that its tree names. */
export function beginsAtHome(view: View): boolean {
  return view.default_filter?.some(({ value }) => value === HOME) ?? false;
}

/** A node of the tree that a list is narrowed down to: all below it, or so many levels. */
export type AtNode = { node: string; depth?: number };

/** Return the node of the tree that conditions narrow a list down to. */
export function nodeOf(conditions: readonly Condition[]): AtNode | undefined {
  const [node, depth] = conditions.find(({ operator }) => operator === "under")?.values ?? [];
  return node && { node: node.text, ...(depth && { depth: Number(depth.text) }) };
}

/** Return the conditions with another node of the tree, or with none, in place of that which they have. */
export function atNode(view: View, conditions: readonly Condition[], chosen?: AtNode): Condition[] {
  const others = conditions.filter(({ operator }) => operator !== "under");
  if (!chosen || !view.tree_column) {
    return others;
  }
  const values = [chosen.node, ...(chosen.depth === undefined ? [] : [String(chosen.depth)])].map(literal);
  return [{ parameter: view.tree_column, operator: "under", values }, ...others];
}

export function sortOf(view: View, state: ListState): Sort[] {
  const own = (view.default_sort ?? []).map((key) => ({
    column: key.parameter,
    descending: key.direction === "desc",
  }));
  return state.sort ?? own;
}

/** Return the columns that are shown; names that the view does not have are left out. */
export function columnsOf(view: View, state: ListState, preferred?: string[]): Column[] {
  const wanted = (state.columns ?? preferred ?? view.default_columns)
    .map((name) => view.columns.find((column) => column.name === name))
    .filter((column) => column !== undefined)
    .filter((column) => column.shown !== false);
  return wanted.length > 0 ? wanted : view.columns.filter((column) => column.name === view.id_column);
}

/** Return the names of the columns to ask for: those shown, and those that they, the tabs and the actions refer to. */
export function askedColumns(view: View, chosen: readonly Column[]): string[] {
  const known = new Set(view.columns.filter(({ shown }) => shown !== false).map(({ name }) => name));
  const named = [
    view.id_column,
    ...(view.key ?? []),
    ...(view.status_column ? [view.status_column] : []),
    ...chosen.flatMap((column) => [column.name, ...placeholders(column.link ?? "")]),
    ...(view.actions ?? []).flatMap(namesIn),
  ];
  return [...new Set(named.filter((name) => known.has(name)))];
}

/** The columns that an action fills in, of one row or of each. */
function namesIn({ call, plan, undo }: Action): string[] {
  return [call, plan, undo]
    .flatMap((each) => placeholders([each?.path, each?.query, each?.body]))
    .map((name) => name.replace(/^\$each\./, ""));
}

export type Asked = { search: Spec[]; sort: Sort[]; columns: string[]; grouping?: string[] };

export function valuesOf(asked: Asked, me: Me | undefined): Values {
  return {
    ...personOf(me),
    ...wanted(asked.search),
    $sort: asked.sort.map(({ column, descending }) => ({
      parameter: column,
      direction: descending ? "desc" : "asc",
    })),
    $columns: asked.columns,
    $grouping: asked.grouping ?? [],
  };
}

/** Return conditions as calls take them: the node that they are under beside all others. */
export function wanted(search: readonly Spec[]): Values {
  const above = search.find(({ operator }) => operator === "under");
  const [node, depth] = above && "values" in above ? above.values : [];
  return {
    $search: search.filter(({ operator }) => operator !== "under"),
    ...(node !== undefined && { $under: node }),
    ...(depth !== undefined && { $depth: Number(depth) }),
  };
}

/** Return the columns of rows for calls that take them from each. */
export function eachOf(view: View, rows: readonly Row[]): Values {
  return Object.fromEntries(view.columns.map(({ name }) => [name, rows.map((row) => row[name])]));
}

/** Return the command that lists the same. */
export function asCommand(view: View, conditions: readonly Condition[]): string | undefined {
  if (!view.cli) {
    return undefined;
  }
  const where = render(conditions);
  if (where === "") {
    // Without conditions the option goes as well.
    return view.cli.replace(/\s*--where\s+'?\{\$where\}'?/, "").replace(/'?\{\$where\}'?/, "");
  }
  return fillText(view.cli, { $where: where.replaceAll("'", `'\\''`) });
}

/** Return the request that a script would send for the same. */
export function asCurl(call: ApiCall, values: Values, origin: string): string {
  const body = bodyOf(call, values);
  const query = fill(call.query ?? {}, values) as Record<string, string>;
  const parameters = new URLSearchParams(query).toString();
  const address = `${origin}${fillPath(call.path, values)}${parameters ? `?${parameters}` : ""}`;
  const parts = [`curl -sS -X ${call.method} ${quoted(address)}`, `-H "Authorization: Bearer $(weyl token)"`];
  if (body !== undefined) {
    parts.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(body))}`);
  }
  return parts.join(" \\\n  ");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Return the conditions as specs at a moment, so that relative times are the same for all that is asked together. */
export function searchAt(conditions: readonly Condition[], now: Date): Spec[] {
  return specs(conditions, now);
}
