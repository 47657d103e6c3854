/** The files of a workflow: which were chosen, which of them belong to it, and with which it begins. */

import { Button, Checkbox, NativeSelect, TextInput } from "@mantine/core";
import { useState } from "react";
import { formatBytes, formatNumber, plural } from "@/kit/formats";
import type { Chosen } from "./choosing";
import { Chooser } from "./FileField";
import type { WorkflowDocument } from "./useWorkflowDocument";
import type { Bundle } from "./workflowFiles";

const SHOWN_MAX = 100;

type Props = {
  workflow: WorkflowDocument;
  isSending: boolean /** Which process is run is not clear. */;
  needsFragment: boolean;
};

export function WorkflowFiles({ workflow, isSending, needsFragment }: Props) {
  const { bundle, lost } = workflow;
  return (
    <section className="stack" aria-labelledby="workflow-files">
      <div className="head">
        <h2 id="workflow-files">Files of the workflow</h2>
        <Chooser
          text="Choose files"
          of="the workflow"
          isMany
          isDisabled={isSending}
          onChoose={(files: Chosen[]) => void workflow.open(files)}
        />
        <Chooser
          text="Choose a folder"
          of="the workflow"
          isFolder
          isDisabled={isSending}
          onChoose={(files: Chosen[]) => void workflow.open(files)}
        />
        {bundle ? (
          <Button size="compact-xs" variant="subtle" disabled={isSending} onClick={workflow.close}>
            Remove all
          </Button>
        ) : (
          <span className="faint">or drop them on this page</span>
        )}
      </div>
      {lost.length > 0 && (
        <div className="note tone-warning" role="alert">
          <p>The page was loaded anew, and browsers keep no files. Choose them again: {lost.join(", ")}.</p>
          <button type="button" className="place" onClick={workflow.close}>
            Continue without them
          </button>
        </div>
      )}
      {workflow.fault && (
        <div className="note tone-danger" role="alert">
          {workflow.fault}
        </div>
      )}
      {bundle && <ChosenFiles bundle={bundle} workflow={workflow} />}
      {(workflow.fragment !== "" || needsFragment) && (
        <TextInput
          size="xs"
          label="Process"
          description="If the document has several processes: the ID of the one to run."
          value={workflow.fragment}
          onChange={({ target }) => workflow.setFragment(target.value.replace(/^#/, ""))}
        />
      )}
    </section>
  );
}

function ChosenFiles({ bundle, workflow }: { bundle: Bundle; workflow: WorkflowDocument }) {
  const [isAll, setAll] = useState(false);
  const members = new Set(bundle.members);
  const paths = [...bundle.files.keys()].sort();
  const others = paths.filter((path) => !members.has(path));
  const shown = [...bundle.members, ...(isAll || paths.length <= 12 ? others : [])].slice(0, SHOWN_MAX);
  const size = bundle.members.reduce((sum, path) => sum + (bundle.documents.get(path)?.bytes.length ?? 0), 0);
  return (
    <>
      <NativeSelect
        size="xs"
        label="Main document"
        value={bundle.entry}
        data={paths.filter((path) => /\.(cwl|ya?ml|json)$/i.test(path) || path === bundle.entry)}
        onChange={({ target }) => workflow.setEntry(target.value)}
      />
      <p className="faint">
        Uses {formatNumber(bundle.members.length)} of {plural(paths.length, "file")}, {formatBytes(size)}.
      </p>
      <ul className="files">
        {shown.map((path) => {
          const document = bundle.documents.get(path);
          return (
            <li key={path}>
              <span className="head">
                <Checkbox
                  size="xs"
                  aria-label={`${path} belongs to the workflow`}
                  checked={members.has(path)}
                  disabled={path === bundle.entry}
                  onChange={({ target }) => workflow.setMember(path, target.checked)}
                />
                {document?.text === undefined ? (
                  <span className="mono">{path}</span>
                ) : (
                  <button
                    type="button"
                    className="place mono"
                    aria-pressed={path === workflow.selected}
                    onClick={() => workflow.select(path)}
                  >
                    {path}
                  </button>
                )}
              </span>
              <span className="faint">{bundle.changed.has(path) ? "changed here" : ""}</span>
              <span className="number faint">
                {formatBytes(document?.bytes.length ?? bundle.files.get(path)?.size ?? 0)}
              </span>
            </li>
          );
        })}
      </ul>
      {paths.length > shown.length && (
        <button type="button" className="place" onClick={() => setAll(!isAll)}>
          {isAll
            ? `The first ${SHOWN_MAX}; show those that belong to it`
            : `Show the other ${formatNumber(others.length)}`}
        </button>
      )}
    </>
  );
}
