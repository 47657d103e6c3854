/** The whole of a log that has ended: a file in a packed sandbox of the store, of which the end is shown where it is long. */

import { ApiFault, askCall, type Row } from "@/kit/api";
import { addressIn } from "@/kit/opening";
import { isMapping } from "@/kit/templates";
import type { Tab } from "@/kit/views";
import { fetchArchive } from "./saving";

export const SHOWN_MAX = 1024 * 1024;
const TRIES_MAX = 15;

/** What a call for a log answers: its last text while it grows, and where all of it is after the end. */
export type Answered = { text: string; sandbox?: string; file?: string; heardAt?: string; note?: string };

/** `empty`: nothing was written to it; `gone`: the store does not have the sandbox any more. */
export type Whole = { state: "here" | "empty" | "gone"; text: string; size: number; file?: Blob };

export function answered(content: unknown): Answered {
  if (!isMapping(content)) {
    return { text: typeof content === "string" ? content : "" };
  }
  const named = (name: string) => (typeof content[name] === "string" ? (content[name] as string) : undefined);
  return {
    text: named("text") ?? "",
    sandbox: named("sandbox"),
    file: named("file"),
    heardAt: named("heard_at"),
    note: named("note"),
  };
}

/** Fetch the sandbox from the store and take the log out of it; throws an error in words where that fails. */
export async function readWhole(
  tab: Tab,
  row: Row,
  { sandbox, file }: { sandbox: string; file: string },
  onProgress: (bytes: number, size: number) => void,
): Promise<Whole> {
  try {
    const packed = await fetchArchive(await addressWhenReady(tab, row, sandbox), sandbox);
    const { memberOf, NoMember } = await import("./members");
    try {
      const content = await memberOf(packed, file, onProgress);
      return { state: "here", text: await endOf(content), size: content.size, file: content };
    } catch (error) {
      if (error instanceof NoMember) {
        return { state: "empty", text: "", size: 0 };
      }
      throw error;
    }
  } catch (error) {
    if (error instanceof ApiFault && [403, 404].includes(error.status)) {
      return { state: "gone", text: "", size: 0 };
    }
    throw error;
  }
}

/** Return the end of a text, from the start of a line; all of it where it is short. */
export async function endOf(content: Blob, bytes = SHOWN_MAX): Promise<string> {
  if (content.size <= bytes) {
    return content.text();
  }
  const end = await content.slice(content.size - bytes).text();
  return end.slice(end.indexOf("\n") + 1);
}

/** Ask where the sandbox can be fetched; one that browsers cannot unpack is packed anew first, which takes a while. */
async function addressWhenReady(tab: Tab, row: Row, sandbox: string): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    try {
      return addressIn(tab.file ? await askCall(tab.file, { ...row, $file: sandbox }) : undefined);
    } catch (error) {
      const wait = error instanceof ApiFault && error.status === 503 ? error.retryAfterS : undefined;
      if (wait === undefined || tries === TRIES_MAX) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, wait * 1000));
    }
  }
}
