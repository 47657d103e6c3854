/** Asks what is wrong with a workflow and its inputs, a moment after somebody has stopped to type. */

import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo, useRef } from "react";
import { ask, refusalOf } from "@/kit/api";
import { writeJson } from "@/kit/json";
import type { Schema } from "@/kit/views";
import { type Document, manifestOf } from "./bundles";
import type { WorkflowDocument } from "./useWorkflowDocument";
import { type Problem, problemsOf, type Validation } from "./workflows";

const WAIT_MS = 400;

type Asked = { documents: Document[]; entry: string; fragment: string; isText: boolean; inputs: string };

export function useValidation(workflow: WorkflowDocument, inputs: string, isEnabled: boolean) {
  const { entry, fragment, isText, bundle, text } = workflow;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the documents are those of the bundle, or the text.
  const now = useMemo<Asked>(
    () => ({ documents: workflow.documents, entry, fragment, isText, inputs }),
    [bundle, bundle ? "" : text, entry, fragment, isText, inputs],
  );
  const [asked] = useDebouncedValue(now, WAIT_MS);
  const number = useRef({ of: asked, count: 0 });
  if (number.current.of !== asked) {
    number.current = { of: asked, count: number.current.count + 1 };
  }
  const isBlank = asked.isText && (asked.documents[0]?.text ?? "").trim() === "";
  const query = useQuery({
    queryKey: ["workflow", asked.isText ? asked.documents[0]?.text : number.current.count, asked.inputs],
    enabled: isEnabled && !isBlank,
    queryFn: async ({ signal }) =>
      ask<Validation>("POST", "/api/workflows/validate", { json: await bodyOf(asked), signal }),
    placeholderData: keepPreviousData,
    gcTime: 0,
  });
  const isOld = asked !== now || query.isPlaceholderData;
  const refusal = refusalOf(query.error);
  const problems: Problem[] = refusal ? refusedProblems(refusal) : (query.data?.problems ?? []);
  const schema = useLastSchema(isBlank ? undefined : query.data);
  return {
    validation: isBlank || query.isError ? undefined : query.data,
    problems: isBlank ? [] : problems,
    /** That of the inputs as they were last understood: what is half written takes no form away. */
    schema,
    isBlank,
    isPending: !isBlank && (isOld || query.isPending),
    error: refusal ? undefined : query.error,
    retry: () => void query.refetch(),
  };
}

function refusedProblems(refusal: { message: string; said: Record<string, unknown> }): Problem[] {
  const said = problemsOf(refusal.said);
  return said.length > 0
    ? said
    : [{ code: "refused", severity: "error", detail: refusal.message, pointer: "" }];
}

async function bodyOf({ documents, entry, fragment, isText, inputs }: Asked): Promise<string> {
  const what = isText
    ? { workflow: documents[0]?.text ?? "" }
    : { manifest: await manifestOf(entry, fragment || null, documents) };
  const body = writeJson(what);
  return inputs ? `${body.slice(0, -1)},"inputs":${inputs}}` : body;
}

function useLastSchema(data: Validation | undefined): Schema | undefined {
  const last = useRef<Schema>(undefined);
  if (data?.schema) {
    last.current = data.schema;
  }
  return data ? last.current : undefined;
}
