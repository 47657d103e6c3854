/** The configuration: as it is, how it came to be, and, for its administrators, how it shall be. */

import { Tabs } from "@mantine/core";
import type { components } from "@/generated/api";
import { ask } from "@/kit/api";
import { readDraft, writeDraft } from "@/kit/drafts";
import { Panel } from "@/kit/Panel";
import { mayUse, useMe } from "@/kit/session";
import { sayFault } from "@/kit/toasts";
import { useAddress } from "@/kit/useAddress";
import { useTitle } from "@/kit/useTitle";
import { Browse } from "./Browse";
import { Edit } from "./Edit";
import { History } from "./History";
import "@/kit/written.css";
import "./config.css";

type Listed = components["schemas"]["RevisionListed"];
type Shown = components["schemas"]["RevisionShown"];

export default function Configuration() {
  useTitle("Configuration");
  const me = useMe();
  const mayEdit = mayUse(me, ["CSAdministrator"]);
  const mayRead = mayUse(me, ["CSAdministrator", "ServiceAdministrator"]);
  const allowed = ["browse", ...(mayRead ? ["history"] : []), ...(mayEdit ? ["edit"] : [])];
  const { word, change } = useAddress();
  const tab = word("tab", "browse", allowed);
  /** An old revision becomes a draft: it is looked at, checked and given a reason as any other change. */
  const revert = async (revision: Listed) => {
    const draft = readDraft<{ base: string; text: string }>("config");
    if (
      draft?.base &&
      !window.confirm("You have changes that are not committed. Discard them and restore the old version?")
    ) {
      return;
    }
    try {
      const [old, newest] = await Promise.all(
        [revision.Revision, "newest"].map((each) => ask<Shown>("GET", `/api/config/revisions/${each}`)),
      );
      if (old && newest) {
        const message = `Restore ${old.Revision.slice(0, 10)}: ${old.Message.split("\n")[0]}`;
        writeDraft("config", { base: newest.Revision, text: old.Text, message });
        change({ tab: "edit", rev: undefined, before: undefined });
      }
    } catch (error) {
      sayFault(error, "The old configuration");
    }
  };
  return (
    <div className="written">
      <div className="head">
        <h1>Configuration</h1>
        {me && !mayEdit && <span className="faint">Only CSAdministrator can change it.</span>}
      </div>
      <Tabs value={tab} onChange={(value) => change({ tab: value ?? undefined })} keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="browse">Current</Tabs.Tab>
          {mayRead && <Tabs.Tab value="history">History</Tabs.Tab>}
          {mayEdit && <Tabs.Tab value="edit">Edit</Tabs.Tab>}
        </Tabs.List>
        <Tabs.Panel value="browse" pt="md">
          <Panel what="The configuration">
            <Browse />
          </Panel>
        </Tabs.Panel>
        <Tabs.Panel value="history" pt="md">
          <Panel what="The history">
            <History onRevert={mayEdit ? revert : undefined} />
          </Panel>
        </Tabs.Panel>
        <Tabs.Panel value="edit" pt="md">
          <Panel what="The editor">
            <Edit onDone={() => change({ tab: "history" })} />
          </Panel>
        </Tabs.Panel>
      </Tabs>
    </div>
  );
}
