/** Describes jobs, says what they would become while they are written, and submits them. */

import { SegmentedControl } from "@mantine/core";
import { lazy, Suspense } from "react";
import { useDraft } from "@/kit/drafts";
import { Waiting } from "@/kit/Panel";
import { mayUse, useMe } from "@/kit/session";
import { useTitle } from "@/kit/useTitle";
import { Described } from "./Described";
import "./submit.css";

const WorkflowPage = lazy(() => import("./WorkflowPage"));

type Kind = "jdl" | "json" | "cwl";

export default function Submit() {
  useTitle("Submit");
  const me = useMe();
  const [{ kind }, change] = useDraft<{ kind: Kind }>("submit.kind", { kind: "jdl" });
  const maySubmit = mayUse(me, ["NormalUser"]);
  const switcher = (
    <SegmentedControl
      size="xs"
      aria-label="Form of the description"
      data={[
        { value: "jdl", label: "JDL" },
        { value: "json", label: "JSON" },
        { value: "cwl", label: "CWL" },
      ]}
      value={kind}
      onChange={(chosen) => change({ kind: chosen as Kind })}
    />
  );
  return (
    <>
      {me && !maySubmit && (
        <p className="note tone-warning submit-notice">
          Group {me.group} may not submit jobs: it does not have the property NormalUser. Switch to another
          group in the menu at the top.
        </p>
      )}
      {kind === "cwl" ? (
        <Suspense fallback={<Waiting />}>
          <WorkflowPage maySubmit={maySubmit} switcher={switcher} />
        </Suspense>
      ) : (
        <Described form={kind} maySubmit={maySubmit} switcher={switcher} />
      )}
    </>
  );
}
