/** A course over time, as small as a word; the words beside it or its label say the same. */

type Props = { values: readonly number[]; label: string; width?: number; height?: number };

export function Sparkline({ values, label, width = 96, height = 22 }: Props) {
  const highest = Math.max(1, ...values);
  const step = width / Math.max(1, values.length);
  return (
    <svg width={width} height={height} role="img" aria-label={label} className="sparkline">
      <title>{label}</title>
      <rect x="0" y={height - 1} width={width} height="1" fill="var(--line)" />
      {values.map((value, index) => {
        const tall = value > 0 ? Math.max(2, (value / highest) * (height - 2)) : 0;
        return (
          <rect
            key={index}
            x={index * step}
            y={height - 1 - tall}
            width={Math.max(1, step - 1)}
            height={tall}
            fill="var(--danger-fill)"
          />
        );
      })}
    </svg>
  );
}
