/** How many jobs are made of one workflow: one, one for each number of a range, or one for each of several values. */

import { plural } from "@/kit/formats";
import {
  bare,
  type FileRules,
  kindOf,
  linesOf,
  listed,
  optionsOf,
  type Problems,
  problemsOf,
  sentValues,
  type Values,
} from "@/kit/forms";
import { readNumber } from "@/kit/json";
import type { Schema } from "@/kit/views";

export type Mode = "one" | "range" | "scatter";
export type Method = "dotproduct" | "flat_crossproduct";
export type Expansion = {
  mode: Mode;
  range: { param: string; start: string; end: string; step: string };
  /** The inputs that are scattered over, with what was typed for each: a list of its values. */
  scatter: Values;
  method: Method;
};

export const ONE: Expansion = {
  mode: "one",
  range: { param: "", start: "0", end: "10", step: "1" },
  scatter: {},
  method: "dotproduct",
};

/** Return the inputs that take whole numbers. */
export function rangeable(schema: Schema): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) =>
    (field.anyOf ? optionsOf(field) : [field]).some(
      (each) => each.type === "integer" || each.type === "number",
    )
      ? [name]
      : [],
  );
}

/** Return the inputs that are scattered over: those of another workflow, whose form was filled before, are none. */
function scattered(schema: Schema, { scatter }: Expansion): Values {
  return Object.fromEntries(Object.entries(scatter).filter(([name]) => schema.properties?.[name]));
}

/** Return the schema of the inputs that are the same in all jobs, and of those that differ: lists of their values. */
export function split(schema: Schema, expansion: Expansion): { base: Schema; varied: Schema } {
  const { mode, range } = expansion;
  const names =
    mode === "range" ? [range.param] : mode === "scatter" ? Object.keys(scattered(schema, expansion)) : [];
  const entries = Object.entries(schema.properties ?? {});
  const varied = entries.filter(([name]) => mode === "scatter" && names.includes(name));
  return {
    base: {
      ...schema,
      properties: Object.fromEntries(entries.filter(([name]) => !names.includes(name))),
      required: schema.required?.filter((name) => !names.includes(name)),
    },
    varied: {
      type: "object",
      properties: Object.fromEntries(
        varied.map(([name, field]) => {
          // Each job has a value of it.
          const { default: _, title: __, description, ...items } = bare(field);
          return [
            name,
            { type: "array", items, description, "x-cwl-type": `values of ${field["x-cwl-type"] ?? name}` },
          ];
        }),
      ),
      required: varied.map(([name]) => name),
    },
  };
}

/** Return what is wrong with what was typed; nothing of what the server knows better. */
export function expansionProblems(
  schema: Schema,
  { values, expansion, files }: { values: Values; expansion: Expansion; files: FileRules },
): Problems {
  const { base, varied } = split(schema, expansion);
  const problems = problemsOf(base, values, files);
  if (expansion.mode === "range") {
    const { param, start, end, step } = expansion.range;
    if (!rangeable(schema).includes(param)) {
      problems["?range/param"] = "Choose an input that takes numbers.";
    }
    for (const [name, text] of Object.entries({ start, end, step })) {
      if (!/^[+-]?\d{1,15}$/.test(text.trim())) {
        problems[`?range/${name}`] = "Enter a whole number.";
      }
    }
    if (Number(step) === 0) {
      problems["?range/step"] = "Not 0.";
    } else if (jobsOf(schema, expansion) === 0) {
      problems["?range/end"] ??= "This would submit no jobs.";
    }
  }
  if (expansion.mode === "scatter") {
    Object.assign(problems, problemsOf(varied, expansion.scatter, files));
    if (Object.keys(scattered(schema, expansion)).length === 0) {
      problems["?scatter"] = "Choose at least one input.";
    } else if (!jobsOf(schema, expansion)) {
      problems["?scatter"] =
        jobsOf(schema, expansion) === 0
          ? "This would submit no jobs."
          : "The lists must have the same length.";
    }
  }
  return problems;
}

/** Return how many jobs there will be; none if that cannot be told. */
export function jobsOf(schema: Schema, expansion: Expansion): number | undefined {
  if (expansion.mode === "one") {
    return 1;
  }
  if (expansion.mode === "range") {
    const [start, end, step] = ["start", "end", "step"].map((name) =>
      Number(expansion.range[name as "start" | "end" | "step"]),
    ) as [number, number, number];
    const count = Math.ceil((end - start) / step);
    return Number.isFinite(count) ? Math.max(0, count) : undefined;
  }
  const lengths = Object.entries(scattered(schema, expansion)).map(([name, value]) => {
    const items = bare(schema.properties?.[name] ?? {});
    return kindOf({ type: "array", items }) === "lines" ? linesOf(value).length : listed(value).length;
  });
  if (lengths.length === 0) {
    return undefined;
  }
  if (expansion.method === "flat_crossproduct") {
    return lengths.reduce((product, length) => product * length, 1);
  }
  return new Set(lengths).size === 1 ? lengths[0] : undefined;
}

/** Say how many jobs there will be, if that can be told. */
export function jobsText(schema: Schema, expansion: Expansion): string {
  const jobs = jobsOf(schema, expansion);
  return jobs === undefined ? "" : plural(jobs, "job");
}

/** Return what of a submission tells its jobs. */
export function bodyOf(
  schema: Schema,
  { values, expansion, files }: { values: Values; expansion: Expansion; files: FileRules },
): Values {
  const rules = { files, isExact: true };
  const { base, varied } = split(schema, expansion);
  const common = sentValues(base, values, rules);
  if (expansion.mode === "one") {
    return { inputs: [common] };
  }
  const base_inputs = Object.keys(common).length > 0 ? common : undefined;
  if (expansion.mode === "range") {
    const { param, start, end, step } = expansion.range;
    return {
      base_inputs,
      range_param: param,
      range_start: readNumber(start),
      range_end: readNumber(end),
      range_step: readNumber(step),
    };
  }
  return {
    base_inputs,
    scatter: sentValues(varied, expansion.scatter, rules),
    scatter_method: expansion.method,
  };
}

/** Return input objects by which the server can judge what was typed: the first, or with lists the first of each. */
export function samplesOf(body: Values): Values[] {
  const base = (body.base_inputs ?? {}) as Values;
  if (body.scatter) {
    const lists = Object.entries(body.scatter as Record<string, unknown[]>);
    const longest = Math.max(0, ...lists.map(([, list]) => list.length));
    return Array.from({ length: Math.min(longest, SAMPLES) }, (_, index) => ({
      ...base,
      ...Object.fromEntries(lists.map(([name, list]) => [name, list[Math.min(index, list.length - 1)]])),
    }));
  }
  if (body.range_param) {
    return [{ ...base, [String(body.range_param)]: body.range_start }];
  }
  return body.inputs as Values[];
}

const SAMPLES = 10;
