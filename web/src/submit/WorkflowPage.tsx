/** Submits a workflow in CWL: written here or chosen as files, with a form for its inputs, and as many jobs as wanted. */

import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useMemo, useRef, useState } from "react";
import type { components } from "@/generated/api";
import { ask } from "@/kit/api";
import { useDraft } from "@/kit/drafts";
import { Editor, type EditorHandle, type Place } from "@/kit/Editor";
import { formatBytes } from "@/kit/formats";
import { type FileRules, NEEDED, type Problems, type Values } from "@/kit/forms";
import { writeJson } from "@/kit/json";
import { Fault, Waiting } from "@/kit/Panel";
import { SchemaForm } from "@/kit/SchemaForm";
import { useStore } from "@/kit/store";
import type { Schema } from "@/kit/views";
import { packedSize } from "./archive";
import { ExpansionForm } from "./ExpansionForm";
import { bodyOf, type Expansion, expansionProblems, ONE, samplesOf, split } from "./expansion";
import { FILE_FIELDS } from "./FileField";
import { fileRules, givenFiles, keysIn, sourcesOf } from "./givenFiles";
import { NotStored, Sending, Submitted } from "./Submitted";
import { useDropped } from "./useDropped";
import { useValidation } from "./useValidation";
import { type DocumentDraft, useWorkflowDocument } from "./useWorkflowDocument";
import { type Key, useWorkflowSubmission } from "./useWorkflowSubmission";
import { WorkflowFiles } from "./WorkflowFiles";
import { About, DryRunResult, ProblemList, Steps } from "./WorkflowOutlook";
import { errorsOf, fieldProblems, isOfInputs, marksOf } from "./workflows";
import "./submit.css";

type Draft = DocumentDraft & Key & { values: Values; expansion: Expansion };

const TEXT = `cwlVersion: v1.2
class: CommandLineTool
label: hello
inputs:
  name:
    type: string
    default: world
    inputBinding: {position: 1}
outputs:
  greeting: {type: stdout}
baseCommand: [echo, hello]
stdout: greeting.txt
`;
const START: Draft = { text: TEXT, fragment: "", files: [], values: {}, expansion: ONE, key: "", keyOf: "" };
const NO_INPUTS: Schema = { type: "object", properties: {} };

export default function WorkflowPage({ maySubmit, switcher }: { maySubmit: boolean; switcher: ReactNode }) {
  const [draft, change] = useDraft("submit.cwl", START);
  const editor = useRef<EditorHandle>(null);
  const page = useRef<HTMLDivElement>(null);
  const [isAsked, setAsked] = useState(false);
  const workflow = useWorkflowDocument(draft, change);
  const given = useStore(givenFiles);
  const [schema, setSchema] = useState<Schema>();
  const form = useForm(schema, draft, given);
  const checked = useValidation(workflow, form.samples, maySubmit);
  // What the inputs are is known after the workflow was read, and what was typed for them is read with it.
  if (checked.schema !== schema) {
    setSchema(checked.schema);
  }
  const tooLarge = useTooLarge(form.keys, given, maySubmit);
  const of = useMemo(
    () => JSON.stringify([workflow.isText, draft.text, draft.fragment, workflow.entry, form.samples]),
    [workflow.isText, draft.text, draft.fragment, workflow.entry, form.samples],
  );
  const submission = useWorkflowSubmission(draft, change, {
    workflow,
    bodyOf: form.bodyOf,
    keys: form.keys,
    of,
    tooLarge,
  });
  const isSending = submission.busy !== undefined;
  const drop = useDropped(workflow.open, isSending);
  const problems = submission.problems ?? checked.problems;
  const hasErrors = errorsOf(checked.problems).some((problem) => !isOfInputs(problem));
  const marks = useMemo(
    () => marksOf(problems, workflow.selected, workflow.entry),
    [problems, workflow.selected, workflow.entry],
  );
  const shownProblems = {
    ...fieldProblems(problems),
    ...(isAsked ? form.problems : onlyTyped(form.problems)),
  };
  const isReady =
    maySubmit &&
    !isSending &&
    !checked.isPending &&
    checked.validation !== undefined &&
    !hasErrors &&
    workflow.lost.length === 0;
  const begin = (act: () => Promise<void>) => {
    setAsked(true);
    const [first] = Object.keys(form.problems);
    if (first !== undefined) {
      focusOn(page.current, first);
    } else {
      void act();
    }
  };
  const goTo = (file: string | null | undefined, place: Place) => {
    if (file && file !== workflow.selected) {
      workflow.select(file);
      // The other file is in the editor after it was drawn.
      setTimeout(() => editor.current?.goTo(place));
    } else {
      editor.current?.goTo(place);
    }
  };
  return (
    <div
      ref={page}
      className="written"
      data-over={drop.isOver || undefined}
      {...drop.handlers}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && isReady) {
          event.preventDefault();
          begin(submission.submit);
        }
      }}
    >
      <div className="head">
        <h1>Submit jobs</h1>
        {switcher}
        <span className="grow" />
        <Button
          size="compact-sm"
          variant="default"
          disabled={isSending}
          onClick={() => {
            workflow.close();
            change(START);
            setAsked(false);
          }}
        >
          Start over
        </Button>
        <Button
          size="compact-sm"
          variant="default"
          disabled={!isReady}
          loading={submission.busy === "dry run"}
          onClick={() => begin(submission.dryRunIt)}
        >
          Dry run
        </Button>
        <Button
          size="compact-sm"
          disabled={!isReady}
          loading={submission.busy === "submit"}
          onClick={() => begin(submission.submit)}
        >
          Submit
        </Button>
      </div>
      {submission.inserted && <Submitted inserted={submission.inserted} />}
      {submission.progress && <Sending progress={submission.progress} onStop={submission.stop} />}
      <div className="sides">
        <div className="stack">
          <Editor
            value={workflow.text}
            onChange={workflow.setText}
            label={workflow.bundle ? `File ${workflow.selected}` : "Workflow in CWL"}
            marks={marks}
            readOnly={isSending}
            describedBy="outlook"
            handle={editor}
          />
          <WorkflowFiles workflow={workflow} isSending={isSending} needsFragment={needsFragment(problems)} />
          {checked.validation && !hasErrors && <Steps graph={checked.validation.graph} />}
        </div>
        <div className="stack">
          <section id="outlook" aria-label="Preview" aria-live="polite" className="stack">
            {checked.isBlank && <p className="faint">Write a workflow, or choose its files.</p>}
            {submission.refusal && problems.length === 0 && (
              <div className="note tone-danger" role="alert">
                {submission.refusal}
              </div>
            )}
            <ProblemList problems={problems} entry={workflow.entry} goTo={goTo} />
            {checked.validation && !hasErrors && <About validation={checked.validation} />}
            {!checked.validation && checked.isPending && <Waiting what="Reading it" />}
            {checked.error && <Fault error={checked.error} what="Preview" onRetry={checked.retry} />}
            {submission.dryRun && <DryRunResult dryRun={submission.dryRun} />}
            {submission.notStored !== undefined && (
              <NotStored error={submission.notStored} onRetry={submission.submit} />
            )}
            {submission.error !== undefined && (
              <Fault
                error={submission.error}
                what="The result of your submission"
                onRetry={submission.submit}
              />
            )}
          </section>
          {schema && (
            <>
              <ExpansionForm
                schema={schema}
                expansion={draft.expansion}
                problems={shownProblems}
                onChange={(changes) => change({ expansion: { ...draft.expansion, ...changes } })}
              />
              <section className="stack" aria-labelledby="inputs-of-it">
                <h2 id="inputs-of-it">Inputs{draft.expansion.mode === "one" ? "" : " of all jobs"}</h2>
                {Object.keys(form.base.properties ?? {}).length === 0 && (
                  <p className="faint">This workflow has no inputs.</p>
                )}
                <SchemaForm
                  schema={form.base}
                  values={draft.values}
                  problems={shownProblems}
                  files={FILE_FIELDS}
                  showsNames
                  onChange={(values) => change({ values })}
                />
                {tooLarge && (
                  <p className="note tone-danger" role="alert">
                    {tooLarge}
                  </p>
                )}
              </section>
            </>
          )}
        </div>
      </div>
      <p className="faint">
        <kbd>Ctrl</kbd> <kbd>Enter</kbd> submits. Your text is kept while this tab is open.
      </p>
    </div>
  );
}

/** What was typed for the inputs, and what of it is sent. */
function useForm(schema: Schema | undefined, draft: Draft, given: ReturnType<typeof givenFiles.get>) {
  return useMemo(() => {
    const known = schema ?? NO_INPUTS;
    const { values, expansion } = draft;
    const { base, varied } = split(known, expansion);
    const named = (own: Schema, typed: Values) =>
      Object.keys(own.properties ?? {}).map((name) => typed[name]);
    const keys = [...new Set(keysIn([named(base, values), named(varied, expansion.scatter)]))];
    const files = fileRules({ keys, given });
    const problems = expansionProblems(known, { values, expansion, files });
    const body = (rules: FileRules) => bodyOf(known, { values, expansion, files: rules });
    // Without what is needed there is nothing that the server could judge.
    const isWhole = schema !== undefined && Object.keys(problems).length === 0;
    return { base, keys, problems, bodyOf: body, samples: isWhole ? writeJson(samplesOf(body(files))) : "" };
  }, [schema, draft, given]);
}

/** Say before anything is sent that the files of this computer are too large together. */
function useTooLarge(
  keys: readonly string[],
  given: ReturnType<typeof givenFiles.get>,
  maySubmit: boolean,
): string | undefined {
  const rules = useQuery({
    queryKey: ["sandbox-rules"],
    enabled: maySubmit && keys.length > 0,
    queryFn: ({ signal }) =>
      ask<components["schemas"]["SandboxRules"]>("GET", "/api/jobs/sandbox/rules", { signal }),
  });
  const size = packedSize(sourcesOf(keys, given));
  const bytesMax = rules.data?.bytes_max;
  return keys.length > 0 && bytesMax !== undefined && size > bytesMax
    ? `The files have ${formatBytes(size)} in total; the limit is ${formatBytes(bytesMax)}.`
    : undefined;
}

/** Leave out what is only missing: nobody needs to be told while the form is being filled. */
function onlyTyped(problems: Problems): Problems {
  const isMissing = (place: string, text: string) => text === NEEDED || place === "?scatter";
  return Object.fromEntries(Object.entries(problems).filter(([place, text]) => !isMissing(place, text)));
}

function needsFragment(problems: readonly { code: string }[]): boolean {
  return problems.some((problem) => problem.code === "no-entry");
}

/** Lead to a field with something wrong. */
function focusOn(page: HTMLElement | null, place: string): void {
  const found = page?.querySelector<HTMLElement>(`[data-place="${CSS.escape(place)}"]`);
  const field = found?.matches("input, select, textarea")
    ? found
    : found?.querySelector<HTMLElement>("input:not([hidden]), select, textarea, button");
  field?.focus();
  found?.scrollIntoView({ block: "nearest" });
}
