/**
 * Who is logged in, and what their pages show. Both are remembered, so that a list asks for its rows at once; whether
 * they still hold is asked when the rows are there, see `Shell`.
 */

import { queryOptions, useQuery } from "@tanstack/react-query";
import type { components } from "@/generated/api";
import { ask } from "./api";
import { kept } from "./store";
import type { View } from "./views";

type Schemas = components["schemas"];

export type Me = Schemas["SessionInfo"];
export type Catalogue = Schemas["Views"];
export type Installation = Schemas["Metadata"];

const SOON = 60_000;

async function remembered<T>(name: string, path: string): Promise<T> {
  const answer = await ask<T>("GET", path);
  kept.set(name, answer);
  return answer;
}

export const meOptions = queryOptions({
  queryKey: ["me"],
  queryFn: () => remembered<Me>("me", "/api/auth/web/me"),
  initialData: () => kept.get<Me>("me"),
  staleTime: SOON,
  retry: false,
});

export const viewsOptions = queryOptions({
  queryKey: ["views"],
  queryFn: () => remembered<Catalogue>("views", "/api/ui/views"),
  initialData: () => kept.get<Catalogue>("views"),
  staleTime: SOON,
  retry: false,
});

export function useMe(): Me | undefined {
  return useQuery(meOptions).data;
}

export function useViews(): View[] {
  return useQuery(viewsOptions).data?.views ?? [];
}

export function useView(name: string): View | undefined {
  return useViews().find((view) => view.name === name);
}

/** Tell whether somebody has one of the properties; none asked for means everybody. */
export function mayUse(me: Me | undefined, needs: readonly string[] | undefined): boolean {
  return !needs?.length || needs.some((property) => me?.properties.includes(property));
}

/** Forget who was here. */
export function forget(): void {
  for (const name of ["me", "views", "preferences"]) {
    kept.remove(name);
  }
}

/** Return the address of the login page of the server, which comes back to where we are. */
export function loginAddress(vo: string, group: string, returnTo: string): string {
  const query = new URLSearchParams({ vo, group, return_to: returnTo });
  return `/api/auth/web/login?${query}`;
}

export const installationOptions = queryOptions({
  queryKey: ["installation"],
  queryFn: () => ask<Installation>("GET", "/.well-known/dirac-metadata", { quiet: true }),
  staleTime: 5 * SOON,
});
