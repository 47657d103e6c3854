/** Addresses that the server answers with, under which the browser fetches something by itself. */

import { isMapping } from "./templates";

/** Return the address in an answer; throws an error in words where it has none that a browser may follow. */
export function addressIn(answer: unknown): string {
  const address = isMapping(answer) ? String(answer.url ?? "") : "";
  if (!/^https?:\/\//.test(address)) {
    throw new Error("The server gave no address that a browser can fetch.");
  }
  return address;
}

/** Let the browser fetch it by itself. */
export function follow(address: string): void {
  const link = document.createElement("a");
  link.href = address;
  link.target = "_blank";
  link.rel = "noreferrer";
  link.download = "";
  link.click();
}
