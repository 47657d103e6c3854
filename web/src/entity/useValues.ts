/** The most frequent values of a column, and those that what is typed leads to; never all of them. */

import { useQuery } from "@tanstack/react-query";
import { askCall, type Row } from "@/kit/api";
import { searchAt, valuesOf } from "@/kit/listing";
import type { Column } from "@/kit/views";
import type { Given } from "./given";
import { countsOf } from "./useRows";

type About = Pick<Given, "view" | "me" | "asked" | "conditions"> & {
  /** None: nothing is asked. */
  column: Column | undefined;
  typed: string;
};

export function useValues({ view, me, asked, conditions, column, typed }: About) {
  const others = conditions.filter((each) => each.parameter !== column?.name);
  const canCount = column && view.groupings?.includes(column.name) ? view.summary : undefined;
  const call = Array.isArray(column?.values) ? canCount : (column?.values ?? canCount);
  const found = useQuery({
    queryKey: ["values", view.name, column?.name, others, typed],
    queryFn: async ({ signal }) => {
      if (!call || !column) {
        return [];
      }
      const like = {
        parameter: column.name,
        operator: "like" as const,
        values: [{ text: `%${typed}%`, quoted: true }],
      };
      const search = searchAt(typed ? [...others, like] : others, new Date());
      const values = valuesOf({ ...asked, search, grouping: [column.name] }, me);
      return countsOf((await askCall(call, values, { signal })) as Row[], column.name).rows;
    },
    enabled: Boolean(call),
    // Those of another column say nothing of this one.
    placeholderData: (before, query) => (query?.queryKey[2] === column?.name ? before : undefined),
    staleTime: 30_000,
  });
  return { counted: found.data ?? [], isFetching: found.isFetching, isError: found.isError };
}
