/** Views for tests, which say only what they are about. */

import type { ApiCall, Column, View } from "./views";
import { plainColumn } from "./views";

export function sampleCall(method: ApiCall["method"], path: string, body?: unknown): ApiCall {
  return { method, path, body, query: {}, each: false, filters: false, paging: "none" };
}

export function sampleColumn(name: string, more: Partial<Column> = {}): Column {
  return { ...plainColumn(name), ...more };
}

export function sampleView(name: string, more: Partial<View> = {}): View {
  return {
    name,
    title: "Things",
    icon: "list",
    nav_group: "Work",
    nav_order: 100,
    nav_entry: "",
    id_column: "Id",
    key: [],
    search: sampleCall("GET", "/api/things"),
    columns: [plainColumn("Id")],
    default_columns: ["Id"],
    default_sort: [],
    default_filter: [],
    groupings: [],
    statuses: [],
    actions: [],
    tabs: [],
    needs: [],
    doc: "",
    ...more,
  };
}
