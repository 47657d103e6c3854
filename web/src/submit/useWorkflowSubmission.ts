/** Submits a workflow, after the files that it and its inputs have; what goes wrong takes nothing away. */

import { useRef, useState } from "react";
import { ask, refusalOf } from "@/kit/api";
import type { FileRules } from "@/kit/forms";
import { writeJson } from "@/kit/json";
import type { Values } from "@/kit/templates";
import { bundleId, manifestOf } from "./bundles";
import { newKey } from "./descriptions";
import { fileRules, givenFiles, sourcesOf } from "./givenFiles";
import { packed } from "./inputs";
import { upload } from "./upload";
import type { Inserted, Progress } from "./useSubmission";
import type { WorkflowDocument } from "./useWorkflowDocument";
import { type DryRun, type Problem, problemsOf } from "./workflows";

export type Key = { key: string; keyOf: string };

type State = {
  inserted?: Inserted[];
  dryRun?: DryRun;
  problems?: Problem[];
  /** What the server says where it names no problems. */
  refusal?: string;
  error?: unknown;
  notStored?: unknown;
  /** What was submitted: who has changed it since is told nothing of what was. */
  of?: unknown;
};

type Asked = {
  workflow: WorkflowDocument;
  /** What of the request tells the jobs, once it is known where the files are. */
  bodyOf: (files: FileRules) => Values;
  /** The keys of the files of this computer. */
  keys: readonly string[];
  of: unknown;
  /** Why the files are too large, if they are. */
  tooLarge: string | undefined;
};

export function useWorkflowSubmission(key: Key, change: (changes: Partial<Key>) => void, asked: Asked) {
  const [state, setState] = useState<State>({});
  const [busy, setBusy] = useState<"submit" | "dry run">();
  const [progress, setProgress] = useState<Progress>();
  const stopping = useRef<AbortController>(undefined);

  const run = async (isDry: boolean) => {
    if (busy) {
      return;
    }
    const stop = new AbortController();
    stopping.current = stop;
    setBusy(isDry ? "dry run" : "submit");
    setState({});
    try {
      const what = await store(stop.signal);
      setState({ ...(await send(what, isDry)), of: asked.of });
    } catch (error) {
      const refusal = refusalOf(error);
      const problems = refusal ? problemsOf(refusal.said) : [];
      setState(
        stop.signal.aborted
          ? {}
          : problems.length > 0
            ? { problems, refusal: refusal?.message, of: asked.of }
            : { notStored: error, of: asked.of },
      );
    } finally {
      setProgress(undefined);
      setBusy(undefined);
    }
  };

  /** Bring all files to where they are needed, and return what is submitted. */
  const store = async (signal: AbortSignal): Promise<Values> => {
    const { workflow, keys, bodyOf, tooLarge } = asked;
    if (tooLarge) {
      throw new Error(tooLarge);
    }
    const given = givenFiles.get();
    const sources = sourcesOf(keys, given);
    const archive = sources.length > 0 ? await packed(sources) : undefined;
    const size = archive?.content.length ?? 0;
    if (archive) {
      setProgress({ sent: 0, size });
    }
    const pfn =
      archive &&
      (await upload(archive, { signal, onProgress: (sent, of) => setProgress({ sent, size: of }) }));
    const jobs = bodyOf(fileRules({ keys, given, pfn }));
    if (workflow.isText) {
      return { workflow: workflow.documents[0]?.text ?? "", ...jobs };
    }
    const manifest = await manifestOf(workflow.entry, workflow.fragment || null, workflow.documents);
    const id = await bundleId(manifest);
    await ask("PUT", `/api/workflows/${id}`, { body: manifest, signal });
    return { workflow_id: id, ...jobs };
  };

  const send = async (what: Values, isDry: boolean): Promise<State> => {
    const json = writeJson({ ...what, ...(isDry && { dry_run: true }) });
    try {
      if (isDry) {
        return { dryRun: await ask<DryRun>("POST", "/api/jobs/", { json }) };
      }
      // The same submission twice, because the first answer was lost, makes its jobs once.
      const own = key.key && key.keyOf === json ? key.key : newKey();
      change({ key: own, keyOf: json });
      const inserted = await ask<Inserted[]>("POST", "/api/jobs/", {
        json,
        headers: { "Idempotency-Key": own },
      });
      change({ key: "", keyOf: "" });
      return { inserted };
    } catch (error) {
      const refusal = refusalOf(error);
      return refusal ? { problems: problemsOf(refusal.said), refusal: refusal.message } : { error };
    }
  };

  const isCurrent = state.of === asked.of;
  return {
    ...state,
    dryRun: isCurrent ? state.dryRun : undefined,
    problems: isCurrent ? state.problems : undefined,
    refusal: isCurrent ? state.refusal : undefined,
    busy,
    progress,
    submit: () => run(false),
    dryRunIt: () => run(true),
    stop: () => stopping.current?.abort(),
  };
}
