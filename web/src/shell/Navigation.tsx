/** The navigation, from what views and pages say of themselves. */

import { Link } from "@tanstack/react-router";
import { NamedIcon } from "@/kit/icons";
import { useGroups } from "@/kit/pages";

export function Navigation() {
  const groups = useGroups();
  return (
    <nav className="nav" aria-label="Pages">
      {groups.map(({ title, entries }) => (
        <div key={title} className="nav-group">
          {title && <h2>{title}</h2>}
          <ul>
            {entries.map((entry) => (
              <li key={entry.to}>
                <Link
                  to={entry.to}
                  activeOptions={{ exact: entry.to === "/" }}
                  activeProps={{ "aria-current": "page" }}
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
