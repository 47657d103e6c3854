/** The page of one entity. */

import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { singular } from "@/kit/formats";
import { NotHere } from "@/kit/NotHere";
import { Waiting } from "@/kit/Panel";
import { useView } from "@/kit/session";
import { useTitle } from "@/kit/useTitle";
import "./entity.css";

const Detail = lazy(() => import("./detail/Detail"));

export default function OnePage() {
  const { view: name, id } = useParams({ strict: false }) as { view: string; id: string };
  const { tab } = useSearch({ strict: false }) as { tab?: string };
  const view = useView(name);
  const navigate = useNavigate();
  useTitle(`${view ? singular(view) : "Nothing"} ${id}`);
  if (!view) {
    return <NotHere name={name} />;
  }
  return (
    <div className="one">
      <nav className="trail" aria-label="Breadcrumb">
        <Link to="/$view" params={{ view: name }}>
          {view.title}
        </Link>
        <span aria-hidden>›</span> <span>{id}</span>
      </nav>
      <Suspense fallback={<Waiting />}>
        <Detail
          key={id}
          view={view}
          id={id}
          tab={tab}
          isPage
          onTab={(next) => void navigate({ to: ".", search: { tab: next }, replace: true })}
          onClose={() => void navigate({ to: "/$view", params: { view: name } })}
        />
      </Suspense>
    </div>
  );
}
