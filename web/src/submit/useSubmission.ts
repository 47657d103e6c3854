/** Submits what was written, after its files; what goes wrong takes nothing away. */

import { useRef, useState } from "react";
import type { components } from "@/generated/api";
import { ask, refusalOf } from "@/kit/api";
import { type Form, newKey, readDescriptions, type Wrong, wrongOf } from "./descriptions";
import type { Packed } from "./inputs";
import { type Sent, withSandbox } from "./sandbox";
import { upload } from "./upload";
import type { Inputs } from "./useInputs";

export type Inserted = components["schemas"]["InsertedJob"];
/** `before`: what somebody had written in JDL before another page began a description. */
export type Draft = {
  jdl: string;
  json: string;
  key: string;
  keyOf: string;
  files: string[];
  before?: string;
};
export type Progress = { sent: number; size: number };

type State = { inserted?: Inserted[]; wrong?: Wrong; of?: string; error?: unknown; notStored?: unknown };

/** Submit under a key: the same text twice, because the first answer was lost, makes its jobs once. */
export function useSubmission(
  form: Form,
  draft: Draft,
  change: (changes: Partial<Draft>) => void,
  inputs: Inputs,
) {
  const [state, setState] = useState<State>({});
  const [isSending, setSending] = useState(false);
  const [progress, setProgress] = useState<Progress>();
  const stopping = useRef<AbortController>(undefined);
  const text = draft[form];
  const submit = async () => {
    const read = readDescriptions(form, text);
    if (!read.isRead || isSending) {
      return;
    }
    const stop = new AbortController();
    stopping.current = stop;
    setSending(true);
    setState({});
    try {
      const reference = inputs.packed && (await store(inputs.packed, stop.signal));
      setState(await insert(withSandbox({ form, text, documents: read.documents }, reference)));
    } catch (error) {
      setState(stop.signal.aborted ? {} : { notStored: error });
    } finally {
      setSending(false);
    }
  };
  const store = async (packed: Packed, signal: AbortSignal): Promise<string> => {
    setProgress({ sent: 0, size: packed.content.length });
    try {
      return await upload(packed, { signal, onProgress: (sent, size) => setProgress({ sent, size }) });
    } finally {
      setProgress(undefined);
    }
  };
  const insert = async (sent: Sent): Promise<State> => {
    const keyOf = JSON.stringify([form, sent.shown]);
    const key = draft.key && draft.keyOf === keyOf ? draft.key : newKey();
    change({ key, keyOf });
    try {
      const inserted = await ask<Inserted[]>("POST", `/api/jobs/${form}`, {
        query: form === "jdl" ? { strict: true } : {},
        body: sent.documents,
        headers: { "Idempotency-Key": key },
      });
      change({ key: "", keyOf: "" });
      return { inserted };
    } catch (error) {
      const refusal = refusalOf(error);
      return refusal ? { wrong: wrongOf(text, refusal, sent.back), of: text } : { error };
    }
  };
  return {
    ...state,
    wrong: state.of === text ? state.wrong : undefined,
    isSending,
    progress,
    submit,
    stop: () => stopping.current?.abort(),
  };
}
