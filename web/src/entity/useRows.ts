/** The rows of a list: the pages that are on the screen, and how many there are, which never delays a row. */

import {
  keepPreviousData,
  useInfiniteQuery,
  useQueries,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useCallback, useEffect, useMemo } from "react";
import type { Sort } from "@/kit/address";
import { contentOf, cursorOf, type Remarks, type Row, rangeOf, remarksOf, send } from "@/kit/api";
import { type Asked, valuesOf } from "@/kit/listing";
import { counted, matching, sorted } from "@/kit/local";
import type { Me } from "@/kit/session";
import { isMapping } from "@/kit/templates";
import type { View } from "@/kit/views";
import { fromTheEnd, pagesOf } from "@/kit/window";

export const PER_PAGE = 100;
/** Longer lists are read from their end where that is nearer. */
const LONG = 10_000;
const NO_COUNT = { Prefer: "count=none" };

type Page = { rows: Row[]; total?: number };

export type Rows = {
  at: (index: number) => Row | undefined;
  /** How many rows there are, as far as it is known. */
  count: number;
  isCountKnown: boolean;
  isPending: boolean;
  isStale: boolean;
  error: unknown;
  /** All that are loaded. */
  loaded: Row[];
  /** What the server says of the answer as a whole. */
  remarks?: Remarks;
  /** Goes on with a list that has stopped before its end. */
  goOn?: () => void;
};

export function useRows(
  view: View,
  asked: Asked,
  me: Me | undefined,
  window: { start: number; end: number },
  { total, isReady = true }: { total?: number; isReady?: boolean } = {},
): Rows {
  const paging = view.search.paging ?? "none";
  const paged = usePages(view, asked, me, window, paging === "page" && isReady, total);
  const forward = useForward(view, asked, me, window, paging === "cursor" && isReady);
  const whole = useWhole(view, asked, me, paging === "none" && isReady);
  return { page: paged, cursor: forward, none: whole }[paging];
}

export function rowsKey(view: View, asked: Asked) {
  return ["rows", view.name, asked.search, asked.sort, asked.columns] as const;
}

function usePages(
  view: View,
  asked: Asked,
  me: Me | undefined,
  window: { start: number; end: number },
  isPaged: boolean,
  total?: number,
): Rows {
  const numbers = isPaged ? [...new Set([1, ...pagesOf(window, PER_PAGE)])] : [];
  const key = rowsKey(view, asked);
  const found = useQueries({
    queries: numbers.map((page) => ({
      queryKey: [...key, page],
      queryFn: async ({ signal }: { signal: AbortSignal }): Promise<Page> => {
        if (total !== undefined && total > LONG && isBehindTheMiddle(page, total)) {
          return { rows: await readFromTheEnd(view, asked, me, { page, total, signal }) };
        }
        const query = { page, per_page: PER_PAGE };
        const answer = await send(view.search, valuesOf(asked, me), { query, headers: NO_COUNT, signal });
        const content = await contentOf(view.search, answer);
        const rows = Array.isArray(content) ? (content as Row[]) : [];
        const isWhole = answer.status === 200 && page === 1;
        return { rows, total: isWhole ? rows.length : rangeOf(answer).total };
      },
      placeholderData: page === 1 ? keepPreviousData : undefined,
      staleTime: 30_000,
      gcTime: 60_000,
    })),
  });
  const pages = new Map(numbers.map((page, index) => [page, found[index]?.data]));
  const first = found[0];
  const told = first?.isPlaceholderData ? undefined : first?.data?.total;
  const reached = Math.max(
    0,
    ...[...pages].map(([page, data]) => (data ? (page - 1) * PER_PAGE + data.rows.length : 0)),
  );
  const lastPage = pages.get(Math.max(1, ...numbers));
  const mayGoOn = lastPage !== undefined && lastPage.rows.length === PER_PAGE ? PER_PAGE : 0;
  const known = told ?? total;
  return {
    at: (index) => pages.get(Math.floor(index / PER_PAGE) + 1)?.rows[index % PER_PAGE],
    count: known === undefined ? reached + mayGoOn : Math.max(known, reached),
    isCountKnown: known !== undefined || (reached > 0 && mayGoOn === 0),
    isPending: first?.isPending ?? true,
    isStale: first?.isPlaceholderData ?? false,
    error: found.find((each) => each.isError)?.error,
    loaded: [...pages.values()].flatMap((data) => data?.rows ?? []),
  };
}

function isBehindTheMiddle(page: number, total: number): boolean {
  const start = (page - 1) * PER_PAGE;
  return start > total / 2 && start < total;
}

/** Read a page in the opposite order; the same key is the last of both, so that rows of equal keys turn round as well. */
async function readFromTheEnd(
  view: View,
  asked: Asked,
  me: Me | undefined,
  { page, total, signal }: { page: number; total: number; signal: AbortSignal },
): Promise<Row[]> {
  const start = (page - 1) * PER_PAGE;
  const place = fromTheEnd({ start, end: start + PER_PAGE }, total);
  const query = { page: place.page, per_page: place.perPage };
  const values = valuesOf({ ...asked, sort: opposite(asked.sort, lastKeyOf(view)) }, me);
  const answer = await send(view.search, values, { query, headers: NO_COUNT, signal });
  const rows = (await contentOf(view.search, answer)) as Row[];
  return rows.slice(place.skip, place.skip + Math.min(PER_PAGE, total - start)).reverse();
}

/** The column that no two rows share, by which the API ends every order, upwards. */
function lastKeyOf(view: View): string {
  return view.default_sort?.at(-1)?.parameter ?? view.id_column;
}

export function opposite(sort: readonly Sort[], last: string): Sort[] {
  const own = sort.some((key) => key.column === last) ? sort : [...sort, { column: last, descending: false }];
  return own.map((key) => ({ ...key, descending: !key.descending }));
}

function wholeOptions(view: View, me: Me | undefined) {
  return {
    queryKey: ["whole", view.name],
    queryFn: async ({ signal }: { signal: AbortSignal }): Promise<Row[]> => {
      const asked = { search: [], sort: [], columns: view.columns.map((column) => column.name) };
      const content = await contentOf(view.search, await send(view.search, valuesOf(asked, me), { signal }));
      return rowsIn(content, view.id_column);
    },
    staleTime: 30_000,
  };
}

/** Lists come as lists, and now and then as a mapping from the id. */
function rowsIn(content: unknown, id: string): Row[] {
  if (Array.isArray(content)) {
    return content as Row[];
  }
  return isMapping(content)
    ? Object.entries(content).map(([name, row]) => ({
        [id]: name,
        ...(isMapping(row) ? row : { value: row }),
      }))
    : [];
}

function useWhole(view: View, asked: Asked, me: Me | undefined, isWanted: boolean): Rows {
  const query = useQuery({ ...wholeOptions(view, me), enabled: isWanted });
  const { search, sort } = asked;
  const rows = useMemo(() => sorted(matching(query.data ?? [], search), sort), [query.data, search, sort]);
  return {
    at: (index) => rows[index],
    count: rows.length,
    isCountKnown: query.data !== undefined,
    isPending: query.isPending,
    isStale: false,
    error: query.error,
    loaded: rows,
  };
}

/** How many rows before the last one the next page is asked for. */
const AHEAD = 50;

type Part = { rows: Row[]; next?: string; remarks: Remarks };

/** Rows page by page, each from where the one before ended; a page may be short, and says so. */
function useForward(
  view: View,
  asked: Asked,
  me: Me | undefined,
  window: { start: number; end: number },
  isWanted: boolean,
): Rows {
  const query = useInfiniteQuery({
    queryKey: [...rowsKey(view, asked), "forward"],
    queryFn: async ({ pageParam, signal }): Promise<Part> => {
      const answer = await send(view.search, valuesOf(asked, me), {
        query: { per_page: PER_PAGE, cursor: pageParam },
        headers: NO_COUNT,
        signal,
      });
      const content = await contentOf(view.search, answer);
      const rows = Array.isArray(content) ? (content as Row[]) : [];
      return { rows, next: cursorOf(answer), remarks: remarksOf(answer) };
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (part) => part.next,
    enabled: isWanted,
    placeholderData: keepPreviousData,
    staleTime: 30_000,
    gcTime: 60_000,
  });
  const { hasNextPage, isFetchingNextPage, isError, isPlaceholderData, fetchNextPage } = query;
  const parts = query.data?.pages;
  const rows = useMemo(() => (parts ?? []).flatMap((part) => part.rows), [parts]);
  const remarks = useMemo(() => remarksIn(parts ?? []), [parts]);
  // One that took too long is not gone on with unless somebody wants it.
  const mayGoOn = hasNextPage && !isPlaceholderData && !isError && remarks.incomplete === undefined;
  const isNear = window.end + AHEAD >= rows.length;
  useEffect(() => {
    if (mayGoOn && isNear && !isFetchingNextPage) {
      void fetchNextPage();
    }
  }, [mayGoOn, isNear, isFetchingNextPage, fetchNextPage]);
  return {
    at: (index) => rows[index],
    // There is one more at least where the list goes on.
    count: rows.length + (mayGoOn ? 1 : 0),
    isCountKnown: parts !== undefined && !hasNextPage,
    isPending: query.isPending,
    isStale: isPlaceholderData,
    error: query.error,
    loaded: rows,
    remarks,
    goOn: hasNextPage && !isFetchingNextPage ? () => void fetchNextPage() : undefined,
  };
}

/** Return all warnings once, and what the last part left out. */
export function remarksIn(parts: readonly Pick<Part, "remarks">[]): Remarks {
  return {
    warnings: [...new Set(parts.flatMap(({ remarks }) => remarks.warnings))],
    incomplete: parts.at(-1)?.remarks.incomplete,
  };
}

export type Counts = { column: string; rows: { value: string; count: number }[]; total: number };

/** Count the rows by a column; the sum is how many there are. */
export function useCounts(view: View, asked: Asked, me: Me | undefined, column: string | undefined) {
  const { search } = asked;
  const isWhole = (view.search.paging ?? "none") === "none";
  return useQuery({
    queryKey: ["counts", view.name, search, column],
    queryFn: async ({ signal, client }): Promise<Counts> => {
      const by = column as string;
      let rows: Row[];
      if (view.summary) {
        const values = valuesOf({ ...asked, grouping: [by] }, me);
        rows = (await contentOf(view.summary, await send(view.summary, values, { signal }))) as Row[];
      } else {
        rows = counted(matching(await client.ensureQueryData(wholeOptions(view, me)), search), by);
      }
      return countsOf(rows, by);
    },
    enabled: column !== undefined && (Boolean(view.summary) || isWhole),
    placeholderData: keepPreviousData,
    staleTime: 15_000,
  });
}

export function countsOf(rows: readonly Row[], column: string): Counts {
  const counts = (Array.isArray(rows) ? rows : [])
    .map((row) => ({ value: String(row[column] ?? ""), count: Number(row.count ?? 0) }))
    .sort((a, b) => b.count - a.count || a.value.localeCompare(b.value));
  return { column, rows: counts, total: counts.reduce((sum, { count }) => sum + count, 0) };
}

/** Put rows that were read anew in place of those that are shown; returns how many were. */
export function usePatch(view: View) {
  const queries = useQueryClient();
  return useCallback(
    (fresh: readonly Row[]): void => {
      const byId = new Map(fresh.map((row) => [String(row[view.id_column]), row]));
      queries.setQueriesData<Page>(
        { queryKey: ["rows", view.name] },
        // Below the same key there are lists of other shapes, which nobody changes row by row.
        (page) => (Array.isArray(page?.rows) ? patched(page, byId, view.id_column) : page),
      );
    },
    [queries, view],
  );
}

export function patched(page: Page, fresh: ReadonlyMap<string, Row>, id: string): Page {
  let isChanged = false;
  const rows = page.rows.map((row) => {
    const found = fresh.get(String(row[id]));
    if (found === undefined) {
      return row;
    }
    isChanged = true;
    return { ...row, ...found };
  });
  return isChanged ? { ...page, rows } : page;
}
