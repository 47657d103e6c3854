/** The first page: for those who watch over a VO how it does, and for everybody how their own jobs do. */

import { lazy } from "react";
import { Panel } from "@/kit/Panel";
import { mayUse, useMe } from "@/kit/session";
import { useTitle } from "@/kit/useTitle";
import Groups from "./Groups";
import NewFailures from "./NewFailures";
import OwnJobs from "./OwnJobs";
import "@/kit/written.css";
import "./home.css";

const OPERATORS = ["Operator", "SiteManager", "JobAdministrator", "ServiceAdministrator"];
/** Those whom the server tells of the activity of their VO. */
const WATCHERS = ["AccountingMonitor", "JobAdministrator", "Operator", "ServiceAdministrator"];

const Activity = lazy(() => import("./Activity"));
const Trouble = lazy(() => import("./Trouble"));

export default function Home() {
  useTitle("Home");
  const me = useMe();
  const hasJobs = mayUse(me, ["NormalUser", "JobAdministrator"]);
  return (
    <div className="written">
      <h1>Home</h1>
      {me && mayUse(me, WATCHERS) && (
        <Panel what="The activity">
          <Activity vo={me.vo} />
        </Panel>
      )}
      {mayUse(me, OPERATORS) && (
        <Panel what="Needs attention">
          <Trouble />
        </Panel>
      )}
      {me && hasJobs && (
        <Panel what="Your job groups">
          <Groups me={me} />
        </Panel>
      )}
      {me && hasJobs && (
        <div className="sides">
          <Panel what="Your jobs">
            <OwnJobs me={me} />
          </Panel>
          <Panel what="New failures">
            <NewFailures me={me} />
          </Panel>
        </div>
      )}
    </div>
  );
}
