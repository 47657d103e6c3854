/** What a tab is given to show. */

import type { Row } from "@/kit/api";
import type { Tab, View } from "@/kit/views";

export type TabProps = { view: View; tab: Tab; row: Row; content: unknown };
