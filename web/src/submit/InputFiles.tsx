/** The files that go with a description: chosen or dropped, with their sizes, and what becomes of them. */

import { Button } from "@mantine/core";
import { type DragEvent, useRef, useState } from "react";
import { formatBytes, plural } from "@/kit/formats";
import { Fault } from "@/kit/Panel";
import { added, dropped, folderText } from "./inputs";
import { Sending } from "./Submitted";
import type { Inputs } from "./useInputs";
import type { Progress } from "./useSubmission";
import "./submit.css";

type Props = {
  inputs: Inputs;
  /** Names of files that were chosen before the page was loaded anew. */
  lost: readonly string[];
  onForget: () => void;
  refused: readonly string[];
  onAdd: (files: readonly File[]) => void;
  onRemove: (file: File) => void;
  /** What is submitted, once the name of the sandbox is known. */
  shown: string | undefined;
  attribute: string;
  isSending: boolean;
  progress: Progress | undefined;
  onStop: () => void;
};

export function InputFiles({ inputs, onAdd, onRemove, shown, attribute, ...more }: Props) {
  const field = useRef<HTMLInputElement>(null);
  const chooser = useRef<HTMLButtonElement>(null);
  const { files, bytesMax } = inputs;
  const size = files.reduce((sum, file) => sum + file.size, 0);
  return (
    <section className="stack" aria-labelledby="input-files">
      <div className="head">
        <h2 id="input-files">Input files</h2>
        <Button
          ref={chooser}
          size="compact-sm"
          variant="default"
          disabled={more.isSending}
          onClick={() => field.current?.click()}
        >
          Choose files
        </Button>
        <span className="faint">
          {files.length === 0
            ? `or drop them on this page${bytesMax === undefined ? "" : `: up to ${formatBytes(bytesMax)} together`}`
            : `${plural(files.length, "file")}, ${formatBytes(size)}`}
        </span>
        <input
          ref={field}
          type="file"
          multiple
          hidden
          onChange={(event) => {
            onAdd([...(event.target.files ?? [])]);
            // The same file may be chosen again, after it was removed here.
            event.target.value = "";
          }}
        />
      </div>
      {files.length > 0 && (
        <ul className="files">
          {files.map((file) => (
            <li key={file.name}>
              <span className="mono">{file.name}</span>
              <span className="number faint">{formatBytes(file.size)}</span>
              <Button
                size="compact-xs"
                variant="subtle"
                aria-label={`Remove ${file.name}`}
                disabled={more.isSending}
                onClick={() => {
                  onRemove(file);
                  chooser.current?.focus();
                }}
              >
                Remove
              </Button>
            </li>
          ))}
        </ul>
      )}
      <Problems lost={more.lost} onForget={more.onForget} refused={more.refused} inputs={inputs} />
      {more.progress && <Sending progress={more.progress} onStop={more.onStop} />}
      {inputs.reference !== undefined && shown !== undefined && (
        <div>
          <p className="faint sandbox">
            Each job gets {files.length === 1 ? "this file" : "these files"}: <code>{inputs.reference}</code>{" "}
            is added to <code>{attribute}</code>.
          </p>
          <details>
            <summary>Description as submitted</summary>
            <pre className="code" tabIndex={0} role="region" aria-label="What is submitted">
              {shown}
            </pre>
          </details>
        </div>
      )}
    </section>
  );
}

function Problems({
  lost,
  onForget,
  refused,
  inputs,
}: Pick<Props, "lost" | "onForget" | "refused" | "inputs">) {
  return (
    <>
      {lost.length > 0 && (
        <div className="note tone-warning" role="alert">
          <p>The page was loaded anew, and browsers keep no files. Choose them again: {lost.join(", ")}.</p>
          <button type="button" className="place" onClick={onForget}>
            Submit without them
          </button>
        </div>
      )}
      {refused.length > 0 && (
        <div className="note tone-warning" role="alert">
          <strong>Not added:</strong>
          <ul>
            {refused.map((each) => (
              <li key={each}>{each}</li>
            ))}
          </ul>
        </div>
      )}
      {inputs.problem && (
        <div className="note tone-danger" role="alert">
          {inputs.problem}
        </div>
      )}
      {inputs.error != null && <Fault error={inputs.error} what="The upload limits" onRetry={inputs.retry} />}
    </>
  );
}

type Drop = { files: readonly File[]; onChange: (files: readonly File[]) => void; isSending: boolean };

/** Return what takes files that are dropped, and what was refused of those that were chosen or dropped last. */
export function useDrop({ files, onChange, isSending }: Drop) {
  const [refused, setRefused] = useState<readonly string[]>([]);
  const [isOver, setOver] = useState(false);
  const add = (more: readonly File[], folders: readonly string[] = []) => {
    const outcome = added(files, more);
    onChange(outcome.files);
    setRefused([...folders.map(folderText), ...outcome.refused]);
  };
  // Whatever the page is doing: a file that nobody takes would be opened in its place.
  const take = (event: DragEvent, isNowOver: boolean) => {
    const hasFiles = event.dataTransfer.types.includes("Files");
    if (hasFiles) {
      event.preventDefault();
      setOver(isNowOver && !isSending);
    }
    return hasFiles && !isSending;
  };
  const handlers = {
    onDragOver: (event: DragEvent) => void take(event, true),
    onDragLeave: (event: DragEvent) => {
      if (!event.currentTarget.contains(event.relatedTarget as Node | null)) {
        setOver(false);
      }
    },
    onDrop: (event: DragEvent) => {
      if (take(event, false)) {
        const found = dropped(event.dataTransfer);
        add(found.files, found.folders);
      }
    },
  };
  return { refused, forget: () => setRefused([]), add, isOver, handlers };
}
