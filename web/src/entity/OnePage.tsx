/** The page of one entity. */
export default function OnePage() {
  return <div className="page" />;
}
