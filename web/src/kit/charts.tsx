/** Small charts in plain SVG: they take their colours from the tones and the theme, and have words beside them. */

export type Slice = { name: string; count: number; fill: string };

const RADIUS = 15.9155;

/** The shares of a whole, as a ring of circumference 100. */
export function Donut({
  slices,
  size = 64,
  label,
}: {
  slices: readonly Slice[];
  size?: number;
  label: string;
}) {
  const total = slices.reduce((sum, slice) => sum + slice.count, 0);
  let at = 25;
  return (
    <svg width={size} height={size} viewBox="0 0 40 40" role="img" aria-label={label} className="donut">
      <circle cx="20" cy="20" r={RADIUS} fill="none" stroke="var(--bg-strong)" strokeWidth="6" />
      {slices.map((slice) => {
        const share = total > 0 ? (slice.count / total) * 100 : 0;
        const offset = at;
        at -= share;
        return (
          <circle
            key={slice.name}
            cx="20"
            cy="20"
            r={RADIUS}
            fill="none"
            stroke={slice.fill}
            strokeWidth="6"
            strokeDasharray={`${share} ${100 - share}`}
            strokeDashoffset={offset}
          />
        );
      })}
    </svg>
  );
}

/** The shares of a whole, as one bar. */
export function ShareBar({ slices, label }: { slices: readonly Slice[]; label: string }) {
  const total = slices.reduce((sum, slice) => sum + slice.count, 0);
  let at = 0;
  return (
    <svg viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label={label} className="share-bar">
      {slices.map((slice) => {
        const share = total > 0 ? (slice.count / total) * 100 : 0;
        const x = at;
        at += share;
        return <rect key={slice.name} x={x} y="0" width={share} height="8" fill={slice.fill} />;
      })}
    </svg>
  );
}

const FILLS = [
  "--info-fill",
  "--progress-fill",
  "--warning-fill",
  "--success-fill",
  "--danger-fill",
  "--neutral-fill",
];

/** Return a colour for the n-th of several things that have none of their own; they repeat, words tell them apart. */
export function fillAt(index: number): string {
  return `var(${FILLS[index % FILLS.length]})`;
}
