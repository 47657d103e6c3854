/** Descriptions that other pages begin: of jobs over the rows that were chosen there. */

import type { Row } from "./api";
import { readDraft, writeDraft } from "./drafts";
import { fillText, isMapping } from "./templates";
import type { ApiCall, View } from "./views";

/** `before` is the text of somebody whose page was begun anew. */
type Begun = { jdl?: string; begun?: string; before?: string };

/** Return the description that a call would submit for rows: the values of a column become a list of JDL. */
export function describedBy(call: ApiCall, view: View, rows: readonly Row[]): string {
  const lists = view.columns.map(({ name }) => [`$each.${name}`, listOf(rows.map((row) => row[name]))]);
  const [text] = Array.isArray(call.body) ? call.body : [];
  return fillText(String(text ?? ""), Object.fromEntries(lists));
}

function listOf(values: readonly unknown[]): string {
  const quoted = values.map((value) => `"${String(value).replace(/["\\]/g, "\\$&")}"`);
  return quoted.length > 1 ? `{\n    ${quoted.join(",\n    ")}\n  }` : `{${quoted.join("")}}`;
}

/** Let the page Submit open with a description; what somebody had written there is kept beside it. */
export function beginDescription(jdl: string): void {
  const draft = readDraft<unknown>("submit");
  const { jdl: text, begun, before }: Begun = isMapping(draft) ? draft : {};
  writeDraft("submit.kind", { kind: "jdl" });
  writeDraft("submit", {
    ...(isMapping(draft) ? draft : {}),
    jdl,
    begun: jdl,
    before: text === undefined || text === begun ? before : text,
  });
}
