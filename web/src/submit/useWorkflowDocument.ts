/** The workflow that somebody writes or has chosen: one text, or files of which one is shown in the editor. */

import { useRef, useState } from "react";
import { useStore } from "@/kit/store";
import { type Document, TEXT_PATH, textDocument } from "./bundles";
import type { Chosen } from "./choosing";
import {
  type Bundle,
  documentsOf,
  bundle as kept,
  opened,
  withEntry,
  withMember,
  withText,
} from "./workflowFiles";

export type DocumentDraft = {
  text: string;
  /** The process of several in one document that is run. */
  fragment: string;
  /** Names of the files that were chosen: to say which are lost when the page is loaded anew. */
  files: string[];
};

export type WorkflowDocument = ReturnType<typeof useWorkflowDocument>;

export function useWorkflowDocument(draft: DocumentDraft, change: (changes: Partial<DocumentDraft>) => void) {
  const bundle = useStore(kept);
  const [chosen, setChosen] = useState("");
  const [fault, setFault] = useState<string>();
  // What was asked for last is what counts, however long the files take to be read.
  const latest = useRef<Promise<Bundle>>(undefined);
  const settle = async (next: Promise<Bundle>) => {
    latest.current = next;
    try {
      const found = await next;
      if (latest.current === next) {
        kept.set(found);
        setFault(undefined);
      }
    } catch (error) {
      if (latest.current === next) {
        setFault(error instanceof Error ? error.message : String(error));
      }
    }
  };
  const selected = bundle?.documents.has(chosen) ? chosen : (bundle?.entry ?? TEXT_PATH);
  const documents: Document[] = bundle ? documentsOf(bundle) : [textDocument(TEXT_PATH, draft.text)];
  return {
    bundle,
    documents,
    entry: bundle?.entry ?? TEXT_PATH,
    fragment: draft.fragment,
    /** What is sent as it is, without a manifest. */
    isText: !bundle && draft.fragment === "",
    selected,
    text: bundle ? (bundle.documents.get(selected)?.text ?? "") : draft.text,
    lost: bundle ? [] : draft.files,
    fault,
    select: setChosen,
    setFragment: (fragment: string) => change({ fragment }),
    setEntry: (entry: string) => {
      setChosen(entry);
      return bundle && settle(withEntry(bundle, entry));
    },
    setMember: (path: string, isMember: boolean) => bundle && settle(withMember(bundle, path, isMember)),
    setText: (text: string) => {
      if (!bundle) {
        change({ text });
        return;
      }
      // Shown at once; what belongs to the workflow follows.
      const documents = new Map(bundle.documents).set(selected, textDocument(selected, text));
      kept.set({ ...bundle, documents });
      void settle(withText({ ...bundle, documents }, selected, text));
    },
    open: async (files: readonly Chosen[]) => {
      const [only] = files;
      if (only && files.length === 1 && !bundle) {
        const text = await only.file.text();
        change({ text, files: [] });
        return;
      }
      setChosen("");
      change({ files: files.slice(0, 50).map(({ path }) => path) });
      await settle(opened(files));
    },
    close: () => {
      latest.current = undefined;
      kept.set(undefined);
      setFault(undefined);
      change({ files: [] });
    },
  };
}
