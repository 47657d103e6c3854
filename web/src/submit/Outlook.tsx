/** What a description would make, before it is submitted. */

import type { components } from "@/generated/api";
import { formatNumber, plural } from "@/kit/formats";

export type Checked = components["schemas"]["CheckedJob"];

export function Outlook({ checked }: { checked: readonly Checked[] }) {
  const jobs = checked.reduce((sum, each) => sum + each.Jobs, 0);
  const warnings = [...new Set(checked.flatMap((each) => each.Warnings))];
  const requirements = checked.flatMap((each) => each.Requirements);
  const preview = checked.flatMap((each) => each.Preview ?? []).slice(0, 10);
  return (
    <div className="stack">
      <p className="note tone-success">
        Valid: <strong>{plural(jobs, "job")}</strong>
        {checked.length > 1 ? ` from ${formatNumber(checked.length)} descriptions` : ""}.
      </p>
      {warnings.length > 0 && (
        <div className="note tone-warning">
          <strong>Warnings:</strong>
          <ul>
            {warnings.map((warning) => (
              <li key={warning}>{warning}</li>
            ))}
          </ul>
        </div>
      )}
      {warnings.length === 0 && <p className="faint">Pilots seen in the last 24 hours can run it.</p>}
      {preview.length > 0 && (
        <details open={jobs > 1 && jobs <= 10}>
          <summary>{jobs > preview.length ? `The first ${preview.length} jobs` : "The jobs"} in full</summary>
          {preview.map((text, index) => (
            <details key={index}>
              <summary>Job {index + 1}</summary>
              <pre className="code" tabIndex={0}>
                {text}
              </pre>
            </details>
          ))}
        </details>
      )}
      {requirements.length > 0 && (
        <details>
          <summary>Requirements, with the defaults of your VO</summary>
          <pre className="code" tabIndex={0}>
            {JSON.stringify(requirements.length === 1 ? requirements[0] : requirements, null, 2)}
          </pre>
        </details>
      )}
    </div>
  );
}
