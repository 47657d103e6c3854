/** Calls that people try until they are right: what is wrong is an answer here, with all that the server says of it. */

import { type ApiFault, faultOf, reach } from "./api";
import { isMapping, type Values } from "./templates";

export type Attempt<T> =
  | { isDone: true; answer: T }
  | { isDone: false; status: number; fault: ApiFault; said: Values };

/** Send a document; throws where trying another one would not help, for example after the login has ended. */
export async function attempt<T>(
  path: string,
  body: unknown,
  { headers, signal }: { headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<Attempt<T>> {
  const answer = await reach(path, {
    method: "POST",
    headers: { Accept: "application/json", "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
    signal,
  });
  if (answer.ok) {
    return { isDone: true, answer: (await answer.json()) as T };
  }
  const fault = await faultOf(answer.clone(), `POST ${path}`);
  if (![400, 409, 413, 422].includes(answer.status)) {
    throw fault;
  }
  const said: unknown = await answer.json().catch(() => undefined);
  return { isDone: false, status: answer.status, fault, said: isMapping(said) ? said : {} };
}
