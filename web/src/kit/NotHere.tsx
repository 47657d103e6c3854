/** Says that there is no such page, and what there is. */

import { Link } from "@tanstack/react-router";

export function NotHere({ name }: { name?: string }) {
  return (
    <div className="page">
      <h1>Page not found</h1>
      <p>
        {name
          ? `“${name}” does not exist, or your group has no access to it. `
          : "There is no page at this address. "}
        <Link to="/">Go to Home</Link>, or press Ctrl-K to search.
      </p>
    </div>
  );
}
