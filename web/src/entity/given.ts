/** What the parts of a list are given: the view, who looks at it, and what is asked for. */

import type { ListState } from "@/kit/address";
import type { Condition } from "@/kit/filters";
import type { Asked } from "@/kit/listing";
import type { Me } from "@/kit/session";
import type { Column, View } from "@/kit/views";
import type { Change } from "./useListState";
import type { Counts } from "./useRows";

export type Given = {
  view: View;
  me: Me | undefined;
  state: ListState;
  change: Change;
  conditions: Condition[];
  columns: Column[];
  asked: Asked;
  counts: Counts | undefined;
};
