/** A view with the columns that are known at run time only. */

import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { askCall } from "@/kit/api";
import { personOf } from "@/kit/listing";
import { withColumns } from "@/kit/runtimeColumns";
import { useMe } from "@/kit/session";
import type { View } from "@/kit/views";

export function useFullView(view: View): View {
  const me = useMe();
  const { more_columns: call } = view;
  const found = useQuery({
    queryKey: ["columns", view.name],
    queryFn: ({ signal }) => (call ? askCall(call, personOf(me), { signal }) : []),
    enabled: Boolean(call),
    staleTime: 60_000,
  });
  return useMemo(() => withColumns(view, found.data), [view, found.data]);
}
