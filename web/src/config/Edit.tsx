/** Changes the configuration as YAML: what is wrong by line, what would change, then a commit with a reason. */

import { Button } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import type { components } from "@/generated/api";
import { type ApiFault, ask, refusalOf } from "@/kit/api";
import { useDraft } from "@/kit/drafts";
import { Editor, type EditorHandle } from "@/kit/Editor";
import { Fault, Waiting } from "@/kit/Panel";
import { say } from "@/kit/toasts";
import { Diff } from "./Diff";

type Shown = components["schemas"]["RevisionShown"];
type Made = components["schemas"]["ChangeMade"];
type FaultShown = components["schemas"]["FaultShown"];
type Tried = { of: string; made?: Made; refusal?: ApiFault };
type Draft = { base: string; text: string; message: string };

const EMPTY: Draft = { base: "", text: "", message: "" };

export function Edit({ onDone }: { onDone: () => void }) {
  const [draft, change] = useDraft("config", EMPTY);
  const newest = useQuery({
    queryKey: ["config", "newest"],
    queryFn: ({ signal }) => ask<Shown>("GET", "/api/config/revisions/newest", { signal }),
  });
  useEffect(() => {
    if (newest.data && draft.base === "") {
      change({ base: newest.data.Revision, text: newest.data.Text });
    }
  }, [newest.data, draft.base, change]);
  if (newest.error && draft.base === "") {
    return <Fault error={newest.error} what="The configuration" onRetry={() => newest.refetch()} />;
  }
  if (draft.base === "") {
    return <Waiting />;
  }
  return <EditDraft draft={draft} change={change} newest={newest.data} onDone={onDone} />;
}

type Props = {
  draft: Draft;
  change: (changes: Partial<Draft>) => void;
  newest: Shown | undefined;
  onDone: () => void;
};

function EditDraft({ draft, change, newest, onDone }: Props) {
  const editor = useRef<EditorHandle>(null);
  const queries = useQueryClient();
  const [tried, setTried] = useState<Tried>();
  const [error, setError] = useState<unknown>();
  const [doing, setDoing] = useState("");
  const order = { base: draft.base, document: draft.text, message: draft.message };
  const run = async (isTrial: boolean) => {
    setDoing(isTrial ? "look" : "commit");
    setError(undefined);
    try {
      const made = await ask<Made>("POST", "/api/config/changes", { body: { ...order, dry_run: isTrial } });
      setTried({ of: draft.text, made });
      if (!isTrial) {
        await queries.invalidateQueries({ queryKey: ["config"] });
        change(EMPTY);
        say(made.revision ? "The configuration was changed." : "No differences: nothing was changed.");
        onDone();
      }
    } catch (problem) {
      const refusal = refusalOf(problem);
      if (refusal) {
        setTried({ of: draft.text, refusal });
      } else {
        setError(problem);
      }
    } finally {
      setDoing("");
    }
  };
  const shown = tried?.of === draft.text ? tried : undefined;
  const problems = shown ? problemsOf(shown) : [];
  const isStale =
    newest !== undefined &&
    doing !== "commit" &&
    (newest.Revision !== draft.base ||
      (shown?.made ? !shown.made.is_current : shown?.refusal?.status === 409));
  const mayCommit = shown?.made && problems.length === 0 && shown.made.diff !== "" && !isStale;
  return (
    <div className="sides">
      <div className="stack">
        <Editor
          value={draft.text}
          onChange={(text) => change({ text })}
          label="The configuration as YAML"
          wrong={problems.map((each) => each.line)}
          describedBy="change"
          handle={editor}
        />
        <div className="controls">
          <Button size="compact-sm" loading={doing === "look"} onClick={() => run(true)}>
            Review changes
          </Button>
          <Button
            size="compact-sm"
            variant="default"
            onClick={async () => {
              await queries.invalidateQueries({ queryKey: ["config", "newest"] });
              change(EMPTY);
            }}
          >
            Discard changes
          </Button>
          <span className="faint">
            made of <span className="mono">{draft.base.slice(0, 10)}</span>
          </span>
        </div>
      </div>
      <section id="change" className="stack" aria-label="The change" aria-live="polite">
        {isStale && (
          <Stale
            base={draft.base}
            onTake={(taken) => {
              queries.setQueryData(["config", "newest"], taken);
              setTried(undefined);
              change({ base: taken.Revision });
            }}
          />
        )}
        {shown?.refusal && shown.refusal.status !== 409 && problems.length === 0 && (
          <p className="note tone-danger" role="alert">
            {shown.refusal.message}
          </p>
        )}
        {problems.length > 0 && (
          <Problems problems={problems} goTo={(line) => editor.current?.goTo({ line })} />
        )}
        {shown?.made && problems.length === 0 && <Diff diff={shown.made.diff} label="What would change" />}
        {!shown && (
          <p className="faint">
            Review your changes before you commit them: they are validated and shown as a diff.
          </p>
        )}
        {mayCommit && (
          <form
            className="stack"
            onSubmit={(event) => {
              event.preventDefault();
              void run(false);
            }}
          >
            <label>
              Reason for the change
              <textarea
                className="field"
                rows={3}
                required
                value={draft.message}
                onChange={(event) => change({ message: event.target.value })}
              />
            </label>
            <Button type="submit" loading={doing === "commit"} disabled={draft.message.trim() === ""}>
              Commit changes
            </Button>
          </form>
        )}
        {error !== undefined && <Fault error={error} what="What becomes of the change" />}
      </section>
    </div>
  );
}

function problemsOf({ made, refusal }: Tried): FaultShown[] {
  const said = refusal?.said.problems;
  return made?.problems ?? (Array.isArray(said) ? (said as FaultShown[]) : []);
}

function Problems({ problems, goTo }: { problems: readonly FaultShown[]; goTo: (line: number) => void }) {
  return (
    <div className="note tone-danger" role="alert">
      <strong>The configuration is not valid.</strong>
      <ul>
        {problems.map((each) => (
          <li key={`${each.line} ${each.path} ${each.message}`}>
            {each.line > 0 && (
              <button type="button" className="place" onClick={() => goTo(each.line)}>
                Line {each.line}
              </button>
            )}{" "}
            {each.path && <code>{each.path}</code>} {each.message}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Somebody was faster: what they changed, and the text stays. */
function Stale({ base, onTake }: { base: string; onTake: (newest: Shown) => void }) {
  const since = useQuery({
    queryKey: ["config", "since", base],
    queryFn: async ({ signal }) => {
      const newest = await ask<Shown>("GET", "/api/config/revisions/newest", { signal });
      const query = { from: base, to: newest.Revision };
      const { diff } = await ask<{ diff: string }>("GET", "/api/config/diff", { query, signal });
      return { newest, diff };
    },
  });
  return (
    <div className="note tone-warning stack" role="alert">
      <strong>Someone else changed the configuration while you were editing.</strong>
      <p>
        Your text is kept. Add their changes, shown below, to your text; otherwise your commit would undo
        them.
      </p>
      {since.error && <Fault error={since.error} what="What they changed" onRetry={() => since.refetch()} />}
      {since.data && (
        <>
          <p>
            {since.data.newest.Author}: {since.data.newest.Message}
          </p>
          <Diff diff={since.data.diff} label="What others changed meanwhile" />
          <Button size="compact-sm" variant="default" onClick={() => onTake(since.data.newest)}>
            My text includes them: continue
          </Button>
        </>
      )}
    </div>
  );
}
