/** The look: dense, calm, and the same in light and dark. Tones and sizes are in `kit.css`. */

import { createTheme, type MantineColorsTuple } from "@mantine/core";

const weyl: MantineColorsTuple = [
  "#edf4fb",
  "#d9e6f4",
  "#b0cbe7",
  "#84aedb",
  "#5f95d0",
  "#4885ca",
  "#3a7cc5",
  "#2b6aae",
  "#1f5e9d",
  "#14508a",
];

/** What Mantine draws in dark: the greys of `kit.css`, from the text to the deepest ground. */
const dark: MantineColorsTuple = [
  "#dce2e9",
  "#b9c2cc",
  "#96a1ae",
  "#6b7683",
  "#3a434d",
  "#2b333d",
  "#232a32",
  "#191e24",
  "#14181d",
  "#0e1114",
];

export const theme = createTheme({
  primaryColor: "weyl",
  primaryShade: { light: 8, dark: 7 },
  colors: { weyl, dark },
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
  fontSizes: { xs: "0.75rem", sm: "0.8125rem", md: "0.875rem", lg: "1rem", xl: "1.125rem" },
  defaultRadius: "sm",
  cursorType: "pointer",
  focusRing: "auto",
  components: { Modal: { defaultProps: { closeButtonProps: { "aria-label": "Close" } } } },
});

/** Return the nonce under which this page may put in styles; browsers hide it from selectors, not from us. */
export function styleNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";
}
