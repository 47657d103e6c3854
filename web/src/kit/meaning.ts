/** What somebody means who types into the filter of a list: a filter, or a word for one; and what they may have meant. */

import { type Condition, type FilterFault, literal, parse, parseQuery, SPELLED } from "./filters";
import { nearest } from "./nearest";
import { declaredValues } from "./operators";
import type { Column, View } from "./views";

/** Says what is wrong with a filter that can be read, and how it would be right. */
export class Misspelt extends Error {
  constructor(
    message: string,
    readonly instead?: string,
  ) {
    super(message);
  }
}

/** Read what was typed, names and values in any case; throws a FilterFault or Misspelt in words for its author. */
export function readFilter(text: string, view: View): Condition[] {
  return meant(text, view).map((condition) => checked(condition, text, view));
}

/** Return a text that can be read and is near to one that cannot. */
export function readable(text: string, fault: FilterFault, view: View): string | undefined {
  const candidates = [
    ...SPELLINGS.map(([wrong, right]) => text.replace(wrong, right)),
    withOperator(text, fault),
  ];
  return candidates.find(
    (candidate) => candidate !== undefined && candidate !== text && isRight(candidate, view),
  );
}

/** How other languages spell what this one has. */
const SPELLINGS: [RegExp, string][] = [
  [/\s*={2,3}\s*/g, " = "],
  [/\s*<>\s*/g, " != "],
  [/\s+(?:is\s+not|isn't)\s+(?!in\b|like\b)/gi, " != "],
  [/\s+(?:is|equals?|eq)\s+/gi, " = "],
  [/\s+contains\s+(["']?)([^\s"'()]+)\1/gi, " = *$2*"],
  [/\s*(?:&&|,)\s*(?=[A-Za-z_.]+\s*(?:[=!<>~]|in\b|not\b|like\b))/g, " and "],
];

function withOperator(text: string, fault: FilterFault): string | undefined {
  const word = /^[a-z]+/i.exec(text.slice(fault.at))?.[0];
  const near = word && nearest(word, SPELLED);
  return near && `${text.slice(0, fault.at)}${near}${text.slice(fault.at + word.length)}`;
}

function isRight(text: string, view: View): boolean {
  try {
    readFilter(text, view);
    return true;
  } catch {
    // Whether it can be read is the question.
    return false;
  }
}

/** Read a filter, or one word, which is an id where ids are numbers, and otherwise part of one. */
function meant(text: string, view: View): Condition[] {
  const id = view.columns.find((column) => column.name === view.id_column);
  if (id?.type === "int" && /^\d+([\s,]+\d+)*$/.test(text)) {
    const ids = text.split(/[\s,]+/);
    return [{ parameter: id.name, operator: ids.length > 1 ? "in" : "eq", values: ids.map(literal) }];
  }
  if (id && id.type !== "int" && /^[^\s=<>~!()"']+$/.test(text)) {
    return [
      {
        parameter: id.name,
        operator: "eq",
        values: [{ text: text.includes("*") ? text : `*${text}*`, quoted: false }],
      },
    ];
  }
  if (view.tree_column && /^\/\S*$/.test(text)) {
    return [{ parameter: view.tree_column, operator: "under", values: [literal(text)] }];
  }
  return view.tree_column ? parseQuery(text, view.tree_column) : parse(text);
}

export function columnCalled(name: string, view: View): Column | undefined {
  const wanted = name.toLowerCase();
  return (
    view.columns.find((column) => column.name === name) ??
    view.columns.find(
      (column) => column.name.toLowerCase() === wanted || column.title.toLowerCase() === wanted,
    )
  );
}

function checked(condition: Condition, text: string, view: View): Condition {
  const column = columnCalled(condition.parameter, view);
  if (!column) {
    const names = view.columns.map(({ name }) => name);
    const near = nearest(condition.parameter, [...names, ...view.columns.map(({ title }) => title)]);
    const meant = near === undefined ? undefined : columnCalled(near, view)?.name;
    throw misspelt(`There is no column ${condition.parameter}.`, condition.parameter, {
      text,
      meant,
      known: names,
    });
  }
  return { ...condition, parameter: column.name, values: valuesOf(condition, column, { text, view }) };
}

const EXACT = new Set(["eq", "neq", "in", "not in"]);

/** Return the values of a condition as the column spells them. */
function valuesOf(
  { operator, values }: Condition,
  column: Column,
  { text, view }: { text: string; view: View },
): Condition["values"] {
  const known = EXACT.has(operator) ? declaredValues(column, view) : undefined;
  if (!known) {
    return values;
  }
  return values.map((word) => {
    if (known.includes(word.text) || (!word.quoted && word.text.includes("*")) || word.text === "") {
      return word;
    }
    const same = known.find((each) => each.toLowerCase() === word.text.toLowerCase());
    if (same === undefined) {
      const meant = nearest(word.text, known);
      const what = `There is no ${column.title.toLowerCase()} “${word.text}”.`;
      throw misspelt(what, word.text, { text, meant, known });
    }
    return { ...word, text: same };
  });
}

type Near = { text: string; meant: string | undefined; known: readonly string[] };

function misspelt(what: string, word: string, { text, meant, known }: Near): Misspelt {
  if (meant === undefined) {
    return new Misspelt(`${what} There are ${known.join(", ")}.`);
  }
  const place = new RegExp(`(?<![\\p{L}\\p{N}_.])${escaped(word)}(?![\\p{L}\\p{N}_.])`, "u");
  return new Misspelt(
    `${what} Did you mean ${meant}?`,
    text.replace(place, () => meant),
  );
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
