/** Says that there is no such page, and what there is. */

import { Link } from "@tanstack/react-router";

export function NotHere({ name }: { name?: string }) {
  return (
    <div className="page">
      <h1>There is no such page</h1>
      <p>
        {name
          ? `Nothing here is called “${name}”, or your group may not see it. `
          : "The address leads nowhere. "}
        <Link to="/">Go to the first page</Link>, or press Ctrl-K to look for something.
      </p>
    </div>
  );
}
