/** Does something to rows: asks what it needs to know, shows what it would do, does it, and follows it to its end. */

import { Button, Checkbox, Group, Modal, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { ApiFault, askCall, failuresIn, type Row, send } from "@/kit/api";
import { useIsCovered } from "@/kit/covers";
import type { Spec } from "@/kit/filters";
import { countOf, formatNumber } from "@/kit/formats";
import { defaultsOf, prefilled, problemsOf, sentValues } from "@/kit/forms";
import { eachOf, personOf, wanted } from "@/kit/listing";
import { SchemaForm } from "@/kit/SchemaForm";
import { useMe } from "@/kit/session";
import { fillCommand, placeholders, saysAll, type Values } from "@/kit/templates";
import { say, sayFault } from "@/kit/toasts";
import type { Action, ApiCall, View } from "@/kit/views";
import { followOperation } from "./operations";
import { orderTitle, type Plan, PlanPreview } from "./PlanPreview";

const TYPED_ABOVE = 1000;
const COMMAND_IDS_MAX = 10;
const FAILED_SHOWN_MAX = 5;

type Props = {
  view: View;
  action: Action;
  rows: Row[];
  ids: unknown[];
  /** In place of ids: all that match. */
  search?: Spec[];
  onClose: () => void;
  onDone?: () => void;
};

export default function ActionDialog(props: Props) {
  const { view, action, rows, ids, search, onClose } = props;
  const me = useMe();
  const queries = useQueryClient();
  const fields = useMemo(() => prefilled(action.fields, rows[0]), [action, rows]);
  const [form, setForm] = useState<Values>(() => defaultsOf(fields));
  const [problems, setProblems] = useState<Record<string, string>>({});
  const [plan, setPlan] = useState<Plan>();
  const [typed, setTyped] = useState("");
  const [isSure, setSure] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<string>();

  const isCovered = useIsCovered();
  const element = useRef<HTMLFormElement>(null);
  // A button that is busy loses the keyboard: whoever pressed it by key goes on with what is to be done next.
  useEffect(() => {
    if (!isBusy && document.activeElement === document.body) {
      element.current
        ?.querySelector<HTMLElement>("input[type=text], button[type=submit]:not(:disabled)")
        ?.focus();
    }
  }, [isBusy]);

  // What can be taken back is done at once to rows that were chosen one by one.
  const isPlanned =
    Boolean(action.plan) && !action.view && (search !== undefined || (ids.length > 0 && !action.undo));
  const count = plan?.count ?? (search ? undefined : ids.length);
  const needsTyping = Boolean(action.destructive) && (count ?? 0) > TYPED_ABOVE;
  const isConfirmed = needsTyping
    ? typed.replace(/[,\s]/g, "") === String(count)
    : !action.destructive || isSure || isPlanned || Boolean(action.undo || action.way_back);

  const values = (more: Values): Values => ({
    ...personOf(me),
    ...rows[0],
    form: sentValues(fields, form),
    ...(search ? wanted(search) : { $ids: ids, $rows: rows, $each: eachOf(view, rows) }),
    $dry_run: false,
    ...more,
  });
  const command =
    action.cli && !search && saysAll(action.cli, sentValues(fields, form), rows)
      ? fillCommand(action.cli, values({}))
      : undefined;
  const attempt = async (act: () => Promise<void>) => {
    const wrong = problemsOf(fields, form);
    setProblems(wrong);
    if (Object.keys(wrong).length > 0) {
      return;
    }
    setBusy(true);
    setFault(undefined);
    try {
      await act();
    } catch (error) {
      setFault(
        error instanceof ApiFault && error.requestId
          ? `${error.message} (request ${error.requestId})`
          : String((error as Error).message),
      );
      if (plan) {
        setPlan(undefined);
      }
    } finally {
      setBusy(false);
    }
  };
  const makePlan = () =>
    attempt(async () => {
      if (action.plan) {
        setPlan((await askCall(action.plan, values({ $dry_run: true }))) as Plan);
      }
    });
  // Where nothing is asked for, what it would do is the first that is shown.
  // biome-ignore lint/correctness/useExhaustiveDependencies: once.
  useEffect(() => {
    if (isPlanned && !fields) {
      void makePlan();
    }
  }, []);
  const refresh = () => {
    for (const key of ["rows", "whole", "counts", "one"]) {
      void queries.invalidateQueries({ queryKey: [key, view.name] });
    }
  };
  const carryOut = () =>
    attempt(async () => {
      if (plan && action.plan) {
        const started = (await askCall(action.plan, values({ $plan_token: plan.plan_token }))) as {
          operation_id: string;
        };
        followOperation({
          id: started.operation_id,
          title: orderTitle(action.title, plan, view),
          undoS: plan.undo_s ?? 0,
          onEnd: refresh,
        });
      } else {
        await single(action, values({}), ids, rows);
        say(`${action.title}: done.`, action.undo && takeBack(action.undo, values({}), refresh));
      }
      refresh();
      props.onDone?.();
      onClose();
    });
  const target = search ? "all matching" : ids.length === 1 ? String(ids[0]) : countOf(ids.length, view);
  return (
    <Modal
      opened
      onClose={onClose}
      title={action.view ? action.title : `${action.title} ${target}`}
      centered
      size={plan ? "lg" : "md"}
      closeOnClickOutside={!isBusy}
      closeOnEscape={!isCovered}
    >
      <form
        ref={element}
        onSubmit={(event) => {
          event.preventDefault();
          void (isPlanned && !plan ? makePlan() : carryOut());
        }}
      >
        {action.help && <p>{action.help}</p>}
        {fields && !plan && (
          <SchemaForm schema={fields} values={form} problems={problems} onChange={setForm} />
        )}
        {plan && <PlanPreview plan={plan} view={view} />}
        {action.way_back && !plan && <p className="faint">{action.way_back}</p>}
        {action.destructive && !isPlanned && !needsTyping && !action.undo && !action.way_back && (
          <Checkbox
            size="xs"
            mt="sm"
            label="I understand that this cannot be undone"
            checked={isSure}
            onChange={(event) => setSure(event.target.checked)}
          />
        )}
        {needsTyping && (!isPlanned || plan) && (
          <TextInput
            mt="sm"
            label={`Type ${formatNumber(count ?? 0)} to confirm.`}
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
            autoComplete="off"
          />
        )}
        {command && (!plan || (!fields && ids.length <= COMMAND_IDS_MAX)) && (
          <p className="faint command">
            On the command line: <code>{command}</code>
          </p>
        )}
        {fault && (
          <p className="fault" role="alert">
            {fault}
          </p>
        )}
        <Group justify="flex-end" mt="md">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button
            type="submit"
            loading={isBusy}
            color={action.destructive && (!isPlanned || plan) ? "red.9" : undefined}
            disabled={(!isPlanned || plan !== undefined) && (!isConfirmed || plan?.count === 0)}
          >
            {isPlanned && !plan
              ? "Preview"
              : action.destructive
                ? `${action.title} ${count ? formatNumber(count) : ""}`
                : action.title}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}

/** Return the way back from what was done, for the message that says so. */
function takeBack(call: ApiCall, values: Values, onEnd: () => void) {
  const act = async () => {
    try {
      const failed = failuresIn(await askCall(call, values));
      if (failed.length > 0) {
        throw new Error(failed.slice(0, FAILED_SHOWN_MAX).join("; "));
      }
      say("Undone.");
    } catch (error) {
      sayFault(error, "Undoing it");
    }
    onEnd();
  };
  return { title: "Undo", act: () => void act() };
}

/** Do it without a plan: once for all, or, where the call is about one row, once for each. */
async function single(action: Action, values: Values, ids: unknown[], rows: Row[]): Promise<void> {
  const takesMany =
    action.call.each ||
    placeholders([action.call.path, action.call.body, action.call.query]).some(
      (name) => name === "$ids" || name.startsWith("$each."),
    );
  const repeated =
    takesMany || action.view || rows.length <= 1 ? [values] : rows.map((row) => ({ ...values, ...row }));
  const failed: string[] = [];
  for (const each of repeated) {
    const answer = await send(action.call, each);
    const content: unknown = answer.status === 204 ? undefined : await answer.json().catch(() => undefined);
    failed.push(...failuresIn(content));
  }
  if (failed.length > 0) {
    const shown = failed.slice(0, FAILED_SHOWN_MAX).join("; ");
    throw new Error(
      `Failed for ${failed.length} of ${Math.max(ids.length, failed.length)}. ${shown}${failed.length > FAILED_SHOWN_MAX ? "…" : ""}`,
    );
  }
}
