/** The first page: where one may go. */

import { Link } from "@tanstack/react-router";
import { NamedIcon } from "@/kit/icons";
import { useMe, useViews } from "@/kit/session";

export default function Home() {
  const me = useMe();
  const views = useViews();
  return (
    <div className="page">
      <h1>Good day{me ? `, ${me.preferred_username}` : ""}</h1>
      <ul className="cards">
        {views.map((view) => (
          <li key={view.name}>
            <Link to="/$view" params={{ view: view.name }} className="card">
              <NamedIcon name={view.icon} size={20} />
              <strong>{view.title}</strong>
              <span className="faint">{view.doc}</span>
            </Link>
          </li>
        ))}
      </ul>
    </div>
  );
}
