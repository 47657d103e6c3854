/** A course over time as a small area, beside a number that says the same; gaps stay gaps. */

type Props = {
  /** One for each step of time, the oldest first; null: nobody measured. */
  values: readonly (number | null)[];
  label: string;
  /** What the colour means. */
  tone: string;
};

const WIDTH = 240;
const HEIGHT = 44;

export function MiniChart({ values, label, tone }: Props) {
  const highest = Math.max(0, ...values.map((value) => value ?? 0)) || 1;
  const step = WIDTH / Math.max(1, values.length);
  const top = (value: number) => HEIGHT - 1 - (value / highest) * (HEIGHT - 4);
  return (
    <svg
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
      className={`mini-chart tone-${tone}`}
    >
      <title>{label}</title>
      {values.map((value, index) =>
        value === null ? null : (
          <g key={index}>
            <rect
              x={index * step}
              y={top(value)}
              width={step + 0.5}
              height={HEIGHT - top(value)}
              className="area"
            />
            <rect x={index * step} y={top(value)} width={step + 0.5} height="2" className="edge" />
          </g>
        ),
      )}
      <rect x="0" y={HEIGHT - 1} width={WIDTH} height="1" className="floor" />
    </svg>
  );
}
