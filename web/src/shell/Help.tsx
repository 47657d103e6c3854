/** The keys, for those who ask. */

import { Modal } from "@mantine/core";

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
    <Modal opened onClose={onClose} title="Keys" centered>
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
