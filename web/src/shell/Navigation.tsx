/** The navigation, and the tabs of the entry that a page belongs to, from what views and pages say of themselves. */

import { Link, useLocation } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { NamedIcon } from "@/kit/icons";
import { entryAt, tabsAt } from "@/kit/nav";
import { useGroups } from "@/kit/pages";

export function Navigation() {
  const groups = useGroups();
  const path = useLocation().pathname;
  const here = entryAt(groups, path);
  return (
    <nav className="nav" aria-label="Pages">
      {groups.map(({ title, entries }) => (
        <div key={title} className="nav-group">
          {title && <h2>{title}</h2>}
          <ul>
            {entries.map((entry) => (
              <li key={entry.title}>
                <Link
                  to={entry.to}
                  activeOptions={{ exact: true }}
                  aria-current={entry.to === here?.to ? "true" : undefined}
                >
                  <NamedIcon name={entry.icon} size={18} />
                  <span>{entry.title}</span>
                </Link>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </nav>
  );
}

/** The pages of one entry, side by side; nothing where an entry has one page, and on the pages of single things. */
export function PageTabs() {
  const groups = useGroups();
  const path = useLocation().pathname;
  const tabs = tabsAt(groups, path);
  const bar = useRef<HTMLElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: on a narrow screen the bar scrolls to the tab that is open.
  useEffect(() => {
    bar.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [path]);
  if (tabs.length === 0) {
    return null;
  }
  return (
    <nav className="page-tabs" aria-label={entryAt(groups, path)?.title} ref={bar}>
      <ul>
        {tabs.map((tab) => (
          <li key={tab.to}>
            <Link to={tab.to} activeOptions={{ exact: true, includeSearch: false }} title={tab.doc}>
              {tab.title}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}
