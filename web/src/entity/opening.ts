/** Actions that change nothing: the browser fetches what the server gives an address for. */

import { askCall, type Row } from "@/kit/api";
import { personOf } from "@/kit/listing";
import { addressIn, follow } from "@/kit/opening";
import type { Me } from "@/kit/session";
import { sayFault } from "@/kit/toasts";
import type { Action } from "@/kit/views";

export async function openAddress(action: Action, row: Row, me: Me | undefined): Promise<void> {
  try {
    follow(addressIn(await askCall(action.call, { ...personOf(me), ...row })));
  } catch (error) {
    sayFault(error, action.title);
  }
}
