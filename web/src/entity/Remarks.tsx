/** What the server says of a list as a whole: that it costs more than it should, or that it has stopped before its end. */

import { IconAlertTriangle } from "@tabler/icons-react";
import { countOf } from "@/kit/formats";
import type { View } from "@/kit/views";
import type { Rows } from "./useRows";

export function Remarks({ view, rows }: { view: View; rows: Rows }) {
  const { warnings = [], incomplete } = rows.remarks ?? {};
  return (
    <>
      {warnings.map((warning) => (
        <p className="strip" role="status" key={warning}>
          <IconAlertTriangle size={15} aria-hidden /> {warning}
        </p>
      ))}
      {incomplete !== undefined && (
        <p className="strip" role="status">
          <IconAlertTriangle size={15} aria-hidden /> {countOf(rows.loaded.length, view)} so far.{" "}
          {reasonOf(incomplete)}
          {rows.goOn && (
            <button type="button" className="as-link" onClick={rows.goOn}>
              Go on
            </button>
          )}
        </p>
      )}
    </>
  );
}

/** The header may only say that it is so. */
function reasonOf(incomplete: string): string {
  return incomplete === "true" ? "The search was stopped because it took too long." : incomplete;
}
