/** A difference, coloured; the signs before the lines say the same. */

import { plural } from "@/kit/formats";
import { linesOf, sizeOf } from "./diffs";

export function Diff({ diff, label }: { diff: string; label: string }) {
  if (diff.trim() === "") {
    return <p className="faint">No differences.</p>;
  }
  const { added, removed } = sizeOf(diff);
  return (
    <>
      <p className="faint">
        {plural(added, "line")} added, {plural(removed, "line")} removed
      </p>
      <pre className="code diff" tabIndex={0} role="region" aria-label={label}>
        {linesOf(diff).map(({ text, kind }, index) => (
          <span key={index} className={kind}>
            {text}
            {"\n"}
          </span>
        ))}
      </pre>
    </>
  );
}
