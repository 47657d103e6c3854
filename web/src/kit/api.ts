/** The one door to the API: typed calls, calls that views declare, and what goes wrong, said in words. */

import { Store } from "./store";
import { fill, fillPath, isMapping, type Values } from "./templates";
import type { ApiCall } from "./views";

/** Why a request failed, for the person who is stuck. */
export class ApiFault extends Error {
  constructor(
    readonly status: number,
    readonly tried: string,
    message: string,
    readonly requestId?: string,
    readonly retryAfterS?: number,
    /** All that the answer says beside the sentence, such as the line and column of what is wrong. */
    readonly said: Values = {},
  ) {
    super(message);
  }
}

/** Return the fault if it lies in what was sent, so that something else may be right; none for all others. */
export function refusalOf(error: unknown): ApiFault | undefined {
  return error instanceof ApiFault && [400, 409, 413, 422].includes(error.status) ? error : undefined;
}

export type Connection = "fine" | "offline" | "unavailable";

/** Whether the server can be reached: kept from what the last requests have met. */
export const connection = new Store<Connection>("fine");
/** Whether the login has ended while the page was open. */
export const expired = new Store(false);
/** What the server says if it knows who is logged in and does not let them go on as before. */
export const denied = new Store<string | undefined>(undefined);

export type Row = Record<string, unknown>;

export type Options = {
  query?: Values;
  body?: unknown;
  /** In place of a body: its text, already JSON. */
  json?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** Fails without asking the person to log in again. */
  quiet?: boolean;
};

/** Send a request and return the answer if it is a good one; throws an ApiFault that says what is wrong if not. */
export async function request(method: string, path: string, options: Options = {}): Promise<Response> {
  const body = options.json ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
  const answer = await reach(
    path + queryText(options.query),
    {
      method,
      headers: {
        Accept: "application/json",
        ...(body !== undefined && { "Content-Type": "application/json" }),
        ...options.headers,
      },
      body,
      signal: options.signal,
    },
    options.quiet,
  );
  if (!answer.ok && answer.status !== 304) {
    const fault = await faultOf(answer, `${method} ${path}`);
    // Taken out of the group, suspended: whatever is asked for in this login is refused from now on.
    if (fault.said.error === "access_denied" && !options.quiet) {
      denied.set(fault.message);
    }
    throw fault;
  }
  return answer;
}

/** Send a request whose answer is JSON. */
export async function ask<T>(method: string, path: string, options: Options = {}): Promise<T> {
  const answer = await request(method, path, options);
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

/** Send a call of a view, with its placeholders filled. */
export async function send(call: ApiCall, values: Values, options: Options = {}): Promise<Response> {
  const query = fill(call.query ?? {}, values) as Values;
  const body = bodyOf(call, values);
  return request(call.method, fillPath(call.path, values), {
    ...options,
    query: { ...query, ...options.query },
    body,
  });
}

/** Return the body of a call; some want it once for each of the rows, as a list. */
export function bodyOf(call: ApiCall, values: Values): unknown {
  if (call.body === null || call.body === undefined) {
    return undefined;
  }
  const rows = call.each && Array.isArray(values.$rows) ? (values.$rows as Row[]) : undefined;
  return rows ? rows.map((row) => fill(call.body, { ...values, ...row })) : fill(call.body, values);
}

/** Send a call of a view and return what it asks for; an answer that is no JSON is text. */
export async function askCall(call: ApiCall, values: Values, options: Options = {}): Promise<unknown> {
  return contentOf(call, await send(call, values, options));
}

export async function contentOf(call: ApiCall, answer: Response): Promise<unknown> {
  if (answer.status === 204) {
    return undefined;
  }
  const isJson = answer.headers.get("Content-Type")?.includes("json") ?? false;
  const content: unknown = isJson ? await answer.json() : await answer.text();
  return call.under && isMapping(content) ? content[call.under] : content;
}

/** Return the whole of a page's numbers: first and last row, and how many there are, if the server says so. */
export function rangeOf(answer: Response): { total?: number } {
  const match = /(\d+)$/.exec(answer.headers.get("Content-Range") ?? "");
  return match ? { total: Number(match[1]) } : {};
}

/** Return what a call about many says was not done, each with its reason. */
export function failuresIn(content: unknown): string[] {
  return isMapping(content) && isMapping(content.failed)
    ? Object.entries(content.failed).map(
        ([id, why]) => `${id}: ${isMapping(why) ? String(why.detail ?? JSON.stringify(why)) : String(why)}`,
      )
    : [];
}

/** Return the cursor by which a list goes on, if it does. */
export function cursorOf(answer: Response): string | undefined {
  const [, address] = /<([^>]*)>;\s*rel="?next"?/.exec(answer.headers.get("Link") ?? "") ?? [];
  return new URLSearchParams(address?.split("?")[1] ?? "").get("cursor") ?? undefined;
}

/** Return what an answer says of itself: what costs more than it should, and why it is not all. */
export function remarksOf(answer: Response): Remarks {
  const warning = answer.headers.get("Weyl-Warning");
  return {
    warnings: warning ? [warning] : [],
    incomplete: answer.headers.get("Weyl-Incomplete") ?? undefined,
  };
}

export type Remarks = { warnings: string[]; incomplete?: string };

export function queryText(query: Values | undefined): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined && each !== null && each !== "") {
        parameters.append(name, String(each));
      }
    }
  }
  const text = parameters.toString();
  return text ? `?${text}` : "";
}

export async function reach(input: string | Request, init: RequestInit, quiet = false): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(input, { credentials: "same-origin", ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") {
      throw error;
    }
    connection.set(navigator.onLine ? "unavailable" : "offline");
    throw new ApiFault(0, "", "The server cannot be reached. What you typed is kept; try again in a moment.");
  }
  if (answer.status === 502 || answer.status === 503 || answer.status === 504) {
    connection.set("unavailable");
  } else {
    connection.set("fine");
  }
  if (answer.status === 401 && !quiet) {
    expired.set(true);
  }
  return answer;
}

/** Fetch from the object store by a signed address: without our login, and what fails there says nothing of the server. */
export async function reachStore(address: string): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(address, { credentials: "omit" });
  } catch {
    throw new ApiFault(
      0,
      "",
      `Your browser cannot reach the object store at ${new URL(address).origin}. Try again; if it keeps failing, tell your administrators.`,
    );
  }
  if (!answer.ok) {
    throw new ApiFault(
      answer.status,
      "",
      `The object store answered with status ${answer.status}. Try again; if it keeps failing, tell your administrators.`,
    );
  }
  return answer;
}

export async function faultOf(answer: Response, tried: string): Promise<ApiFault> {
  const requestId = answer.headers.get("X-Request-ID")?.split(",")[0];
  const retryAfter = Number(answer.headers.get("Retry-After"));
  let message = "";
  let id = requestId;
  let said: Values = {};
  try {
    const body: unknown = await answer.json();
    message = detailOf(body);
    said = isMapping(body) ? body : {};
    id ??= isMapping(body) && typeof body.request_id === "string" ? body.request_id : undefined;
  } catch {
    message = "";
  }
  return new ApiFault(
    answer.status,
    tried,
    message || words(answer.status),
    id,
    retryAfter || undefined,
    said,
  );
}

/** Return what an answer says is wrong; a 422 names the places. */
export function detailOf(body: unknown): string {
  const detail = isMapping(body) ? (body.detail ?? body.error_description ?? body.message) : body;
  if (Array.isArray(detail)) {
    return detail
      .filter(isMapping)
      .map((problem) => `${placeOf(problem.loc)}${String(problem.msg)}`)
      .join("; ");
  }
  return typeof detail === "string"
    ? detail
    : isMapping(detail)
      ? detailOf(detail) || JSON.stringify(detail)
      : "";
}

function placeOf(loc: unknown): string {
  const place = Array.isArray(loc) ? loc.filter((each) => each !== "body" && each !== "query").join(".") : "";
  return place ? `${place}: ` : "";
}

function words(status: number): string {
  const known: Record<number, string> = {
    401: "Your login has ended. Log in again; what you typed is kept.",
    403: "You are not allowed to do this.",
    404: "This does not exist, or you may not see it.",
    409: "Someone else changed it in the meantime. Reload it.",
    413: "This is too large.",
    429: "Too many requests. Wait a moment.",
    502: "The server is not available. It may be restarting; try again in a moment.",
    503: "The server is busy. Try again in a moment.",
    504: "The server took too long to answer.",
  };
  return known[status] ?? `The server answered with status ${status}.`;
}
