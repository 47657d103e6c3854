/** What can be done with the rows that are chosen. */

import { Button, CloseButton } from "@mantine/core";
import { lazy, Suspense, useState } from "react";
import { countOf, formatNumber } from "@/kit/formats";
import { NamedIcon } from "@/kit/icons";
import { mayUse } from "@/kit/session";
import { say, sayFault } from "@/kit/toasts";
import type { Action } from "@/kit/views";
import type { Given } from "./given";
import { useAtOnce } from "./useAtOnce";
import type { Choosing } from "./useChosen";
import type { Rows } from "./useRows";

const ActionDialog = lazy(() => import("./ActionDialog"));

export default function SelectionBar({
  view,
  me,
  asked,
  rows,
  chosen,
}: Given & { rows: Rows; chosen: Choosing }) {
  const [action, setAction] = useState<Action>();
  const doAtOnce = useAtOnce(view, me);
  const { ids, all } = chosen.value;
  const count = all ? rows.count : ids.size;
  const here = [...ids.values()];
  const canAll = (view.actions ?? []).some((each) => each.bulk === "filter") && !all && rows.count > ids.size;
  const usable = (view.actions ?? []).filter(
    (each) =>
      !each.view &&
      mayUse(me, each.needs) &&
      (all ? each.bulk === "filter" : each.bulk !== "none" || count === 1),
  );
  const rawIds = here.map((row) => row[view.id_column]);
  return (
    <section className="selection" aria-label="Selected rows">
      <CloseButton size="sm" aria-label="Clear selection" onClick={chosen.clear} />
      <strong>{all ? `All ${formatNumber(count)} matching` : `${countOf(count, view)} selected`}</strong>
      {canAll && (
        <button type="button" className="as-link" onClick={chosen.chooseAll}>
          Select all {rows.isCountKnown ? formatNumber(rows.count) : ""} matching
        </button>
      )}
      <span className="grow" />
      {usable.map((each) => (
        <Button
          key={each.name}
          size="compact-sm"
          variant="default"
          className={each.destructive ? "destructive" : undefined}
          leftSection={<NamedIcon name={each.icon ?? "bolt"} />}
          title={each.help}
          onClick={() => doAtOnce(each, here) || setAction(each)}
        >
          {each.title}
        </Button>
      ))}
      {!all && (
        <Button
          size="compact-sm"
          variant="subtle"
          onClick={() =>
            void navigator.clipboard.writeText([...ids.keys()].join("\n")).then(
              () => say("Copied the ids."),
              (error: unknown) => sayFault(error, "Copying"),
            )
          }
        >
          Copy ids
        </Button>
      )}
      <Suspense fallback={null}>
        {action && (
          <ActionDialog
            view={view}
            action={action}
            rows={here}
            ids={rawIds}
            search={all ? asked.search : undefined}
            onClose={() => setAction(undefined)}
            onDone={chosen.clear}
          />
        )}
      </Suspense>
    </section>
  );
}
