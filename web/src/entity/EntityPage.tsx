/** The list of any view. */
export default function EntityPage() {
  return <div className="page" />;
}
