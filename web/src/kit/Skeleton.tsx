/** The place of something that is on its way. */
export function Skeleton({ height }: { height: number }) {
  return <div className="skeleton" style={{ height }} aria-hidden />;
}
