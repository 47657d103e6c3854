/**
 * Fills the placeholders of what views declare: `{Column}`, `{form.field}`, `{$search}`.
 *
 * A text that is one placeholder and nothing else becomes the value itself; in a longer text its words are put in. A key
 * whose placeholder has no value is left out. See `kit/views.py`.
 */

export type Values = Record<string, unknown>;

const WHOLE = /^\{([^{}]*)\}$/;
const PART = /\{([^{}]*)\}/g;

/** Return the value of a name; a dot leads into a mapping (`form.reason`), but a column may have one in its name. */
export function lookUp(values: Values, name: string): unknown {
  if (Object.hasOwn(values, name)) {
    return values[name];
  }
  const dot = name.indexOf(".");
  const outer = dot > 0 ? values[name.slice(0, dot)] : undefined;
  return isMapping(outer) ? lookUp(outer, name.slice(dot + 1)) : undefined;
}

export function fill(template: unknown, values: Values): unknown {
  if (typeof template === "string") {
    const whole = WHOLE.exec(template);
    return whole ? lookUp(values, whole[1] ?? "") : fillText(template, values);
  }
  if (Array.isArray(template)) {
    return template.map((item) => fill(item, values)).filter((item) => item !== undefined);
  }
  if (isMapping(template)) {
    const filled: Values = {};
    for (const [key, value] of Object.entries(template)) {
      const found = fill(value, values);
      if (found !== undefined && found !== "") {
        filled[fillText(key, values)] = found;
      }
    }
    return filled;
  }
  return template;
}

export function fillText(
  template: string,
  values: Values,
  encode: (text: string) => string = (text) => text,
): string {
  return template.replace(PART, (_, name: string) => {
    const value = lookUp(values, name);
    return value === undefined || value === null ? "" : encode(asText(value));
  });
}

/** Fill the placeholders of a path; values are quoted, slashes included. */
export function fillPath(template: string, values: Values): string {
  return fillText(template, values, encodeURIComponent);
}

/**
 * Fill the placeholders of a command; values are quoted as a shell wants them. `{form.until|never}` says what stands
 * where nothing was entered.
 */
export function fillCommand(template: string, values: Values): string {
  return template.replace(PART, (_, part: string) => {
    const [name = "", otherwise = ""] = part.split("|");
    const value = lookUp(values, name);
    const given = value === undefined || value === null || value === "" ? otherwise : value;
    return (Array.isArray(given) ? given : [given]).map((word) => quoted(asText(word))).join(" ");
  });
}

/**
 * Tell whether a command says all: it has a place for everything that was entered into a form, and where it names a
 * column, all rows have the same there.
 */
export function saysAll(template: string, form: Values, rows: readonly Values[]): boolean {
  const names = placeholders(template).map((part) => part.split("|")[0] ?? "");
  const ofRows = names.filter((name) => !name.startsWith("$") && !name.startsWith("form."));
  return (
    Object.entries(form).every(([name, value]) => names.includes(`form.${name}`) || isLeftOut(value)) &&
    ofRows.every((name) => new Set(rows.map((row) => lookUp(row, name))).size <= 1)
  );
}

/** Return the names of a template's placeholders. */
export function placeholders(template: unknown): string[] {
  if (typeof template === "string") {
    return [...template.matchAll(PART)].map((match) => match[1] ?? "");
  }
  if (Array.isArray(template)) {
    return template.flatMap(placeholders);
  }
  return isMapping(template) ? Object.entries(template).flatMap(placeholders) : [];
}

export function isMapping(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isLeftOut(value: unknown): boolean {
  return value === undefined || value === null || value === "" || value === false;
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function asText(value: unknown): string {
  if (Array.isArray(value)) {
    return value.map(asText).join(" ");
  }
  return isMapping(value) ? JSON.stringify(value) : String(value);
}
