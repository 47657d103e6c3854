/** The mark of the system, in the colour of the text around it. */

export function Mark({ size = 24 }: { size?: number }) {
  return (
    <span className="mark">
      <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
        <rect width="32" height="32" rx="7" fill="#1f5e9d" />
        <path
          d="M6 10l5 13 5-11 5 11 5-13"
          fill="none"
          stroke="#fff"
          strokeWidth="2.6"
          strokeLinecap="round"
          strokeLinejoin="round"
        />
      </svg>
      <strong>weyl</strong>
    </span>
  );
}
