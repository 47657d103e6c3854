/** What a workflow is, what is wrong with it, and what jobs it would make. */

import { lazy, Suspense } from "react";
import type { Place } from "@/kit/Editor";
import { formatNumber, plural } from "@/kit/formats";
import { graphIn } from "@/kit/graphs";
import { Waiting } from "@/kit/Panel";
import {
  type DryRun,
  detailOf,
  errorsOf,
  isOfInputs,
  type Problem,
  sorted,
  type Validation,
} from "./workflows";

const GraphView = lazy(() => import("@/kit/GraphView"));

type GoTo = (file: string | null | undefined, place: Place) => void;

export function ProblemList({
  problems,
  entry,
  goTo,
}: {
  problems: readonly Problem[];
  entry: string;
  goTo: GoTo;
}) {
  if (problems.length === 0) {
    return null;
  }
  const errors = errorsOf(problems).length;
  const warnings = problems.length - errors;
  const counted = [errors && plural(errors, "error"), warnings && plural(warnings, "warning")];
  return (
    <div className={`note tone-${errors ? "danger" : "warning"}`} role={errors ? "alert" : "status"}>
      <strong>{counted.filter(Boolean).join(", ")}</strong>
      <ul className="problems">
        {sorted(problems).map((problem, index) => (
          <li key={index}>
            <span className={`problem-mark tone-${problem.severity === "error" ? "danger" : "warning"}`}>
              {problem.severity}
            </span>{" "}
            {detailOf(problem)} <span className="faint mono">{problem.code}</span>
            <Where {...{ problem, entry, goTo }} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function Where({ problem, entry, goTo }: { problem: Problem; entry: string; goTo: GoTo }) {
  const { line, column, file, index, pointer } = problem;
  if (isOfInputs(problem)) {
    return (
      <div className="faint">
        in the inputs{index ? ` of job ${index + 1}` : ""}
        {pointer && <span className="mono"> {pointer}</span>}
      </div>
    );
  }
  return line ? (
    <div>
      <button
        type="button"
        className="place"
        onClick={() => goTo(file, { line, column: column ?? undefined })}
      >
        Go to line {line}
        {column ? `, column ${column}` : ""}
        {file && file !== entry ? ` of ${file}` : ""}
      </button>
    </div>
  ) : (
    <div className="faint mono">{[file !== entry && file, pointer].filter(Boolean).join(" ")}</div>
  );
}

/** The steps of a workflow, drawn; a single tool needs no drawing. */
export function Steps({ graph: content }: { graph: unknown }) {
  const graph = graphIn(content);
  const steps = graph.nodes.filter((node) => node.kind === "step").length;
  return steps > 1 ? (
    <section className="stack" aria-labelledby="steps-of-it">
      <h2 id="steps-of-it">Steps</h2>
      <Suspense fallback={<Waiting />}>
        <GraphView graph={graph} label="Steps of the workflow" isBrief />
      </Suspense>
    </section>
  ) : null;
}

export function About({ validation }: { validation: Validation }) {
  const graph = graphIn(validation.graph);
  const steps = graph.nodes.filter((node) => node.kind === "step").length;
  const { hints } = validation;
  return (
    <div className="stack">
      <p className="about-workflow">
        <strong>{validation.label ?? validation.class}</strong>{" "}
        <span className="faint">
          {validation.label && validation.class}
          {steps > 1 && `, ${plural(steps, "step")}`}
        </span>
        {validation.doc && <span className="doc">{validation.doc}</span>}
      </p>
      {hints.length > 0 && (
        <details>
          <summary>Requirements and hints</summary>
          <div className="sheet-scroll">
            <table className="sheet">
              <thead>
                <tr>
                  <th>Hint</th>
                  <th>Value</th>
                  <th>Source</th>
                </tr>
              </thead>
              <tbody>
                {hints.map((hint, index) => (
                  <tr key={index}>
                    <th scope="row" className="mono">
                      {hint.name}
                    </th>
                    <td className="mono">{shown(hint.value)}</td>
                    <td>{hint.layer}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </details>
      )}
    </div>
  );
}

function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function DryRunResult({ dryRun }: { dryRun: DryRun }) {
  return (
    <section className="stack" aria-label="Dry run" role="status">
      <p className="note tone-success">
        Valid: <strong>{plural(dryRun.jobs, "job")}</strong>. Nothing was submitted.
      </p>
      <div className="sheet-scroll">
        <table className="sheet">
          <caption>Matching sites by requirements</caption>
          <thead>
            <tr>
              <th className="number">Jobs</th>
              <th>Sites</th>
              <th>Needs</th>
            </tr>
          </thead>
          <tbody>
            {dryRun.classes.map((each, index) => (
              <tr key={index}>
                <td className="number">{formatNumber(each.jobs)}</td>
                <td className="wide">
                  {each.sites.length > 0 ? each.sites.join(", ") : "none in the last 24 hours"}
                  {each.verdict && <div className="faint">{each.verdict}</div>}
                </td>
                <td>
                  <details>
                    <summary>Show</summary>
                    <pre className="code" tabIndex={0}>
                      {JSON.stringify(each.requirements, null, 2)}
                    </pre>
                  </details>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {dryRun.inputs.length > 0 && (
        <details>
          <summary>
            {dryRun.jobs > dryRun.inputs.length
              ? `The inputs of the first ${dryRun.inputs.length}`
              : "The inputs"}
          </summary>
          <pre className="code" tabIndex={0}>
            {dryRun.inputs.map((each) => JSON.stringify(each, null, 2)).join("\n")}
          </pre>
        </details>
      )}
    </section>
  );
}
