/** Where the documentation is, and the keys. */

import { Modal } from "@mantine/core";
import { DOCUMENTATION, GLOSSARY } from "@/kit/documentation";

const KEYS: [string, string][] = [
  ["Ctrl K  /", "Find anything: ids, pages, actions"],
  ["j  k", "Next and previous row"],
  ["h  l", "Previous and next tab of the page"],
  ["x", "Select the row"],
  ["Enter", "Open the row"],
  ["Esc", "Close the open item"],
  ["f", "Filter"],
  ["r", "Refresh"],
  ["p", "Pause or resume live updates"],
  ["?", "This help"],
];

export default function Help({ onClose }: { onClose: () => void }) {
  return (
    <Modal opened onClose={onClose} title="Help" centered>
      <ul className="help-links">
        <li>
          <a href={DOCUMENTATION}>Documentation</a>
        </li>
        <li>
          <a href={GLOSSARY}>Glossary</a>
        </li>
        <li>
          <a href="/api/docs">API</a>
        </li>
      </ul>
      <h2>Keys</h2>
      <dl className="keys">
        {KEYS.map(([keys, meaning]) => (
          <div key={keys}>
            <dt>
              {keys.split("  ").map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <p className="faint">
        The search field takes the language of the command line:
        <br />
        <code>Status in (Failed, Stalled) and Site = LCG.* and LastUpdateTime &gt; -2d</code>
      </p>
    </Modal>
  );
}
