/** Submits jobs that are described in JDL or JSON. */

import { Button } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useMemo, useRef } from "react";
import { ask, refusalOf } from "@/kit/api";
import { useDraft } from "@/kit/drafts";
import { Editor, type EditorHandle } from "@/kit/Editor";
import { Fault, Waiting } from "@/kit/Panel";
import { type Form, readDescriptions, type Wrong, wrongOf } from "./descriptions";
import { InputFiles, useDrop } from "./InputFiles";
import { chosenFiles } from "./inputs";
import { type Checked, Outlook } from "./Outlook";
import { NotStored, Submitted } from "./Submitted";
import { type Sent, withSandbox } from "./sandbox";
import { useInputs } from "./useInputs";
import { type Draft, useSubmission } from "./useSubmission";

const WAIT_MS = 400;
const START: Draft = {
  jdl: '[\n  JobName = "hello";\n  Executable = "/bin/echo";\n  Arguments = "hello";\n  StdOutput = "out.txt";\n  OutputSandbox = {"out.txt"};\n]\n',
  json: '{\n  "job_name": "hello",\n  "executable": "/bin/echo",\n  "arguments": "hello",\n  "std_output": "out.txt",\n  "output_sandbox": ["out.txt"]\n}\n',
  key: "",
  keyOf: "",
  files: [],
};

type Props = { form: Form; maySubmit: boolean; switcher: ReactNode };

export function Described({ form, maySubmit, switcher }: Props) {
  const [draft, change] = useDraft("submit", START);
  const editor = useRef<EditorHandle>(null);
  const text = draft[form];
  const inputs = useInputs(maySubmit);
  const lost = draft.files.filter((name) => !inputs.files.some((file) => file.name === name));
  const keep = (files: readonly File[], stillLost: readonly string[] = lost) => {
    chosenFiles.set(files);
    change({ files: [...new Set([...files.map((file) => file.name), ...stillLost])] });
  };
  const checked = useChecked(form, text, inputs.reference);
  const submission = useSubmission(form, draft, change, inputs);
  const drop = useDrop({ files: inputs.files, onChange: keep, isSending: submission.isSending });
  const wrong = checked.wrong ?? submission.wrong;
  const lines = useMemo(() => (wrong?.place ? [wrong.place.line] : []), [wrong]);
  const hasFiles = inputs.isReady && lost.length === 0;
  const isReady =
    maySubmit && hasFiles && checked.answer !== undefined && !checked.wrong && !submission.isSending;
  return (
    <div
      className="written"
      data-over={drop.isOver || undefined}
      {...drop.handlers}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && isReady) {
          event.preventDefault();
          void submission.submit();
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
          disabled={submission.isSending}
          onClick={() => {
            change({ [form]: START[form] });
            keep([], []);
            drop.forget();
          }}
        >
          Start over
        </Button>
        <Button
          size="compact-sm"
          disabled={!isReady}
          loading={submission.isSending}
          onClick={submission.submit}
        >
          Submit
        </Button>
      </div>
      {submission.inserted && <Submitted inserted={submission.inserted} />}
      {form === "jdl" && draft.before !== undefined && (
        <p className="note tone-info">
          This description replaced what you had written.{" "}
          <button
            type="button"
            className="place"
            onClick={() => change({ jdl: draft.before ?? "", before: undefined })}
          >
            Restore my text
          </button>
        </p>
      )}
      <div className="sides">
        <div className="stack">
          <Editor
            value={text}
            onChange={(value) => change({ [form]: value })}
            label={form === "jdl" ? "Job description in JDL" : "Job description in JSON"}
            wrong={lines}
            describedBy="outlook"
            handle={editor}
          />
          <p className="faint">
            <kbd>Ctrl</kbd> <kbd>Enter</kbd> submits. Your text is kept while this tab is open.
          </p>
          <InputFiles
            inputs={inputs}
            lost={lost}
            onForget={() => keep(inputs.files, [])}
            refused={drop.refused}
            onAdd={drop.add}
            onRemove={(file) => {
              drop.forget();
              keep(inputs.files.filter((each) => each !== file));
            }}
            shown={checked.sent?.shown}
            attribute={form === "jdl" ? "InputSandbox" : "input_sandbox"}
            isSending={submission.isSending}
            progress={submission.progress}
            onStop={submission.stop}
          />
        </div>
        <section id="outlook" aria-label="Preview" aria-live="polite" className="stack">
          {text.trim() === "" && <p className="faint">Describe a job to see what would be submitted.</p>}
          {wrong && <WrongNote wrong={wrong} goTo={(place) => editor.current?.goTo(place)} />}
          {!wrong && checked.answer && <Outlook checked={checked.answer} />}
          {!wrong && !checked.answer && checked.isPending && <Waiting what="Reading it" />}
          {checked.error && <Fault error={checked.error} what="Preview" onRetry={checked.retry} />}
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
      </div>
    </div>
  );
}

function WrongNote({ wrong, goTo }: { wrong: Wrong; goTo: EditorHandle["goTo"] }) {
  const { place } = wrong;
  return (
    <div className="note tone-danger" role="alert">
      <strong>This cannot be submitted yet.</strong>
      <p>{wrong.message}</p>
      {place && (
        <button type="button" className="place" onClick={() => goTo(place)}>
          Go to line {place.line}
          {place.column ? `, column ${place.column}` : ""}
        </button>
      )}
    </div>
  );
}

/** Ask what a text would become with its files, a moment after somebody has stopped to type. */
function useChecked(form: Form, text: string, reference: string | undefined) {
  const now = useMemo(() => ({ form, text, reference }), [form, text, reference]);
  const [asked] = useDebouncedValue(now, WAIT_MS);
  const read = useMemo(() => readDescriptions(asked.form, asked.text), [asked]);
  const sent = useMemo<Sent | undefined>(
    () => (read.isRead ? withSandbox({ ...asked, documents: read.documents }, asked.reference) : undefined),
    [read, asked],
  );
  const query = useQuery({
    queryKey: ["check", asked.form, sent?.shown],
    enabled: asked.text.trim() !== "" && sent !== undefined,
    queryFn: ({ signal }) =>
      ask<Checked[]>("POST", "/api/jobs/check", { body: { [asked.form]: sent?.documents ?? [] }, signal }),
    gcTime: 0,
  });
  const isOld = asked !== now;
  const refusal = isOld ? undefined : refusalOf(query.error);
  const wrong: Wrong | undefined =
    isOld || text.trim() === ""
      ? undefined
      : !read.isRead
        ? read.wrong
        : refusal && wrongOf(text, refusal, sent?.back);
  return {
    wrong,
    answer: isOld ? undefined : query.data,
    sent: isOld || reference === undefined ? undefined : sent,
    isPending: text.trim() !== "" && (isOld || query.isPending),
    error: refusalOf(query.error) ? undefined : query.error,
    retry: () => void query.refetch(),
  };
}
