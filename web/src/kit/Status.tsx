/** A status: its word, an icon and a colour, which all say the same. */

import { NamedIcon } from "./icons";
import type { Status as Declared, View } from "./views";

type Known = Pick<View, "statuses">;

export function statusOf(view: Known | undefined, value: unknown): Declared {
  const text = String(value ?? "");
  return (
    view?.statuses?.find((status) => status.value === text) ?? {
      value: text,
      tone: "neutral",
      icon: "circle-dashed",
      terminal: false,
      help: "",
    }
  );
}

export function StatusMark({
  view,
  value,
  large,
}: {
  view: Known | undefined;
  value: unknown;
  large?: boolean;
}) {
  const status = statusOf(view, value);
  if (!status.value) {
    return null;
  }
  return (
    <span
      className={`status tone-${status.tone}${large ? " status-large" : ""}`}
      title={status.help || undefined}
    >
      <NamedIcon name={status.icon} size={large ? 16 : 15} />
      {status.value}
    </span>
  );
}
