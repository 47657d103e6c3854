/** Describes jobs, says what they would become while they are written, and submits them. */

import { Button, SegmentedControl } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useRef, useState } from "react";
import type { components } from "@/generated/api";
import { ask, refusalOf } from "@/kit/api";
import { useDraft } from "@/kit/drafts";
import { Editor, type EditorHandle } from "@/kit/Editor";
import { plural } from "@/kit/formats";
import { Fault, Waiting } from "@/kit/Panel";
import { mayUse, useMe } from "@/kit/session";
import { useTitle } from "@/kit/useTitle";
import { type Form, idRanges, newKey, readDescriptions, type Wrong, wrongOf } from "./descriptions";
import { type Checked, Outlook } from "./Outlook";

type Inserted = components["schemas"]["InsertedJob"];
type Draft = { form: Form; jdl: string; json: string; key: string; keyOf: string };

const WAIT_MS = 400;
const START: Draft = {
  form: "jdl",
  jdl: '[\n  JobName = "hello";\n  Executable = "/bin/echo";\n  Arguments = "hello";\n  StdOutput = "out.txt";\n  OutputSandbox = {"out.txt"};\n]\n',
  json: '{\n  "job_name": "hello",\n  "executable": "/bin/echo",\n  "arguments": "hello",\n  "std_output": "out.txt",\n  "output_sandbox": ["out.txt"]\n}\n',
  key: "",
  keyOf: "",
};

export default function Submit() {
  useTitle("Submit");
  const me = useMe();
  const [draft, change] = useDraft("submit", START);
  const editor = useRef<EditorHandle>(null);
  const text = draft[draft.form];
  const checked = useChecked(draft.form, text);
  const submission = useSubmission(draft, change);
  const wrong = checked.wrong ?? submission.wrong;
  const lines = useMemo(() => (wrong?.place ? [wrong.place.line] : []), [wrong]);
  const maySubmit = mayUse(me, ["NormalUser"]);
  const isReady = maySubmit && checked.answer !== undefined && !checked.wrong && !submission.isSending;
  return (
    <div
      className="written"
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && isReady) {
          event.preventDefault();
          void submission.submit();
        }
      }}
    >
      <div className="head">
        <h1>Submit jobs</h1>
        <SegmentedControl
          size="xs"
          aria-label="Form of the description"
          data={[
            { value: "jdl", label: "JDL" },
            { value: "json", label: "JSON" },
          ]}
          value={draft.form}
          onChange={(form) => change({ form: form as Form })}
        />
        <span className="grow" />
        <Button
          size="compact-sm"
          variant="default"
          onClick={() => change({ [draft.form]: START[draft.form] })}
        >
          Start anew
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
      {me && !maySubmit && (
        <p className="note tone-warning">
          Group {me.group} may not submit jobs: it does not have the property NormalUser. Switch to another
          group in the menu at the top.
        </p>
      )}
      {submission.inserted && <Done inserted={submission.inserted} />}
      <div className="sides">
        <div className="stack">
          <Editor
            value={text}
            onChange={(value) => change({ [draft.form]: value })}
            label={draft.form === "jdl" ? "Job description in JDL" : "Job description in JSON"}
            wrong={lines}
            describedBy="outlook"
            handle={editor}
          />
          <p className="faint">
            <kbd>Ctrl</kbd> <kbd>Enter</kbd> submits. What you write is kept while this tab is open. Files of
            your own go into a sandbox: <code>weyl jobs submit</code> packs and uploads them; here, name one
            that is stored already in <code>{draft.form === "jdl" ? "InputSandbox" : "input_sandbox"}</code>,
            as <code>SB:…</code>.
          </p>
        </div>
        <section id="outlook" aria-label="What it would become" aria-live="polite" className="stack">
          {text.trim() === "" && <p className="faint">Describe a job, and this says what it would become.</p>}
          {wrong && <WrongNote wrong={wrong} goTo={(place) => editor.current?.goTo(place)} />}
          {!wrong && checked.answer && <Outlook checked={checked.answer} />}
          {!wrong && !checked.answer && checked.isPending && <Waiting what="Reading it" />}
          {checked.error && (
            <Fault error={checked.error} what="What it would become" onRetry={checked.retry} />
          )}
          {submission.error !== undefined && (
            <Fault
              error={submission.error}
              what="The answer to your submission"
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
      <strong>It cannot be submitted yet.</strong>
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

function Done({ inserted }: { inserted: Inserted[] }) {
  const ids = inserted.map((each) => each.JobID);
  const [first, last] = [Math.min(...ids), Math.max(...ids)];
  const f = [`JobID:gt:${first - 1}`, `JobID:lt:${last + 1}`];
  return (
    <p className="note tone-success" role="status">
      <strong>{plural(ids.length, "job")} submitted:</strong> {idRanges(ids)}.{" "}
      {ids.length === 1 ? (
        <Link to="/$view/$id" params={{ view: "jobs", id: String(first) }}>
          Look at it
        </Link>
      ) : (
        <Link to="/$view" params={{ view: "jobs" }} search={{ f } as never}>
          Look at them
        </Link>
      )}
    </p>
  );
}

/** Ask what a text would become, a moment after somebody has stopped to type. */
function useChecked(form: Form, text: string) {
  const [{ asked, askedForm }] = useDebouncedValue(
    useMemo(() => ({ asked: text, askedForm: form }), [text, form]),
    WAIT_MS,
  );
  const read = useMemo(() => readDescriptions(askedForm, asked), [askedForm, asked]);
  const query = useQuery({
    queryKey: ["check", askedForm, asked],
    enabled: asked.trim() !== "" && read.isRead,
    queryFn: ({ signal }) =>
      ask<Checked[]>("POST", "/api/jobs/check", {
        body: { [askedForm]: read.isRead ? read.documents : [] },
        signal,
      }),
    gcTime: 0,
  });
  const isOld = asked !== text || askedForm !== form;
  const refusal = isOld ? undefined : refusalOf(query.error);
  const wrong: Wrong | undefined =
    isOld || asked.trim() === "" ? undefined : !read.isRead ? read.wrong : refusal && wrongOf(asked, refusal);
  return {
    wrong,
    answer: isOld ? undefined : query.data,
    isPending: text.trim() !== "" && (isOld || query.isPending),
    error: refusalOf(query.error) ? undefined : query.error,
    retry: () => void query.refetch(),
  };
}

/** Submit under a key: the same text twice, because the first answer was lost, makes its jobs once. */
function useSubmission(draft: Draft, change: (changes: Partial<Draft>) => void) {
  const [state, setState] = useState<{ inserted?: Inserted[]; wrong?: Wrong; of?: string; error?: unknown }>(
    {},
  );
  const [isSending, setSending] = useState(false);
  const text = draft[draft.form];
  const submit = async () => {
    const read = readDescriptions(draft.form, text);
    if (!read.isRead || isSending) {
      return;
    }
    const keyOf = JSON.stringify([draft.form, text]);
    const key = draft.key && draft.keyOf === keyOf ? draft.key : newKey();
    change({ key, keyOf });
    setSending(true);
    setState({});
    try {
      const inserted = await ask<Inserted[]>("POST", `/api/jobs/${draft.form}`, {
        body: read.documents,
        headers: { "Idempotency-Key": key },
      });
      change({ key: "", keyOf: "" });
      setState({ inserted });
    } catch (error) {
      const refusal = refusalOf(error);
      setState(refusal ? { wrong: wrongOf(text, refusal), of: text } : { error });
    } finally {
      setSending(false);
    }
  };
  return { ...state, wrong: state.of === text ? state.wrong : undefined, isSending, submit };
}
