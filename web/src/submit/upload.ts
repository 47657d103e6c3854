/** Brings a sandbox to the object store: announced to the server, posted by the browser, only if it is not there yet. */

import type { components } from "@/generated/api";
import { ask } from "@/kit/api";
import type { Packed } from "./inputs";

type Announced = components["schemas"]["SandboxUploadResponse"];
type Sending = { signal: AbortSignal; onProgress: (sent: number, size: number) => void };

/** Why the object store has not taken the files, for the person who is stuck. */
export class UploadFault extends Error {}

/** Store a sandbox and return its name. */
export async function upload({ content, checksum }: Packed, sending: Sending): Promise<string> {
  const { pfn, url, fields } = await ask<Announced>("POST", "/api/jobs/sandbox", {
    body: { checksum_algorithm: "sha256", checksum, size: content.length, format: "tar.zst" },
    signal: sending.signal,
  });
  if (url) {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields ?? {})) {
      form.append(name, value);
    }
    form.append("file", new Blob([content]), "sandbox.tar.zst");
    await post(url, form, sending);
  }
  return pfn;
}

/** Post a form. Not by `fetch`, which does not tell how far it is. */
function post(url: string, form: FormData, { signal, onProgress }: Sending): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.upload.onprogress = ({ loaded, total }) => onProgress(loaded, total);
    request.onload = () =>
      request.status < 300
        ? resolve()
        : reject(new UploadFault(refusalText(request.status, request.responseText)));
    request.onerror = () =>
      reject(new UploadFault(unreachableText(new URL(url).origin, window.location.origin)));
    request.onabort = () => reject(new UploadFault("The upload was stopped."));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

/** Say what the store has answered; its answers are XML with a sentence. */
export function refusalText(status: number, answer: string): string {
  const said = /<Message>([^<]{1,300})<\/Message>/.exec(answer)?.[1];
  const what = `The object store refused the files: ${said ? `${said} (status ${status})` : `status ${status}`}.`;
  return status === 403
    ? `${what} Try again. If it is refused again, the clocks of the server and the store may differ: tell your administrators.`
    : `${what} Try again in a moment; if it keeps failing, tell your administrators.`;
}

/** Say what to do where no answer comes: browsers do not tell pages why. */
export function unreachableText(store: string, page: string): string {
  const byTls = page.startsWith("https:") && !store.startsWith("https:");
  return [
    `Your browser cannot reach the object store at ${store}.`,
    "Check your network and try again.",
    "If it keeps failing, tell your administrators:",
    `browsers must be able to reach that address${byTls ? " by HTTPS, as this page" : ""} (WEYL_S3_PUBLIC_ENDPOINT), and the CORS rule of its bucket must allow POST from ${page}.`,
    "Meanwhile, weyl jobs submit uploads files too.",
  ].join(" ");
}
