/** Actions that change nothing: the browser fetches what the server gives an address for, or a description is begun. */

import { useNavigate } from "@tanstack/react-router";
import { askCall, type Row } from "@/kit/api";
import { beginDescription, describedBy } from "@/kit/beginning";
import { personOf } from "@/kit/listing";
import { addressIn, follow } from "@/kit/opening";
import type { Me } from "@/kit/session";
import { sayFault } from "@/kit/toasts";
import type { Action, View } from "@/kit/views";

const SUBMIT: string = "/submit";

/** Return what does, at once, an action that asks for nothing; it answers whether the action was such a one. */
export function useAtOnce(view: View, me: Me | undefined): (action: Action, rows: Row[]) => boolean {
  const navigate = useNavigate();
  return (action, rows) => {
    if (action.opens) {
      void openAddress(action, rows[0] ?? {}, me);
    } else if (action.drafts) {
      beginDescription(describedBy(action.call, view, rows));
      void navigate({ to: SUBMIT });
    }
    return action.opens || action.drafts;
  };
}

async function openAddress(action: Action, row: Row, me: Me | undefined): Promise<void> {
  try {
    follow(addressIn(await askCall(action.call, { ...personOf(me), ...row })));
  } catch (error) {
    sayFault(error, action.title);
  }
}
