/** Short messages in a corner of the page; a fault stays until it is closed, and shows its request id. */

import { Button, CloseButton } from "@mantine/core";
import { IconAlertTriangle, IconCheck } from "@tabler/icons-react";
import { ApiFault } from "./api";
import { Store, useStore } from "./store";

/** A way back from what is said, which the message offers. */
type Offer = { title: string; act: () => void };
type Toast = { id: number; text: string; tone: "success" | "danger"; requestId?: string; offer?: Offer };

const toasts = new Store<Toast[]>([]);
const SHOWN_MS = 5000;
const OFFERED_MS = 20_000;
const SHOWN_MAX = 5;
let last = 0;

export function say(text: string, offer?: Offer | null): void {
  const id = add({ text, tone: "success", offer: offer ?? undefined });
  setTimeout(() => close(id), offer ? OFFERED_MS : SHOWN_MS);
}

/** Show what went wrong with something that somebody did. */
export function sayFault(error: unknown, doing: string): void {
  if (error instanceof ApiFault) {
    add({ text: `${doing}: ${error.message}`, tone: "danger", requestId: error.requestId });
  } else {
    add({ text: `${doing}: ${error instanceof Error ? error.message : String(error)}`, tone: "danger" });
  }
}

function add(toast: Omit<Toast, "id">): number {
  last += 1;
  toasts.set([...toasts.get(), { ...toast, id: last }].slice(-SHOWN_MAX));
  return last;
}

function close(id: number): void {
  toasts.set(toasts.get().filter((toast) => toast.id !== id));
}

export function Toasts() {
  const shown = useStore(toasts);
  return (
    <section className="toasts" aria-label="Messages" aria-live="polite">
      {shown.map((toast) => (
        <div
          key={toast.id}
          className={`toast tone-${toast.tone}`}
          role={toast.tone === "danger" ? "alert" : "status"}
        >
          {toast.tone === "danger" ? <IconAlertTriangle size={18} /> : <IconCheck size={18} />}
          <div>
            {toast.text}
            {toast.requestId && <div className="faint mono">request {toast.requestId}</div>}
          </div>
          {toast.offer && (
            <Button
              size="compact-sm"
              variant="default"
              onClick={() => {
                close(toast.id);
                toast.offer?.act();
              }}
            >
              {toast.offer.title}
            </Button>
          )}
          <CloseButton size="sm" aria-label="Close the message" onClick={() => close(toast.id)} />
        </div>
      ))}
    </section>
  );
}
