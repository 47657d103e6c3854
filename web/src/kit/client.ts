/** Typed calls of every route, for pages that are written by hand: `const { data } = await api.GET("/api/tasks")`. */

import createClient from "openapi-fetch";
import type { paths } from "@/generated/api";
import { faultOf, reach } from "./api";

/** A call that fails throws an ApiFault, as `ask` does. */
export const api = createClient<paths>({
  fetch: async (input: Request) => {
    const answer = await reach(input, {});
    if (!answer.ok) {
      throw await faultOf(answer, `${input.method} ${new URL(input.url).pathname}`);
    }
    return answer;
  },
});
