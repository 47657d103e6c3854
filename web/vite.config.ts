import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const server = process.env.WEYL_URL ?? "http://localhost:8000";

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  // The server puts a fresh nonce in its place in every answer.
  html: { cspNonce: "__NONCE__" },
  build: {
    outDir: "../src/weyl/web/static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    // The application, and the API's own page, which only those load who look at it.
    rolldownOptions: { input: ["index.html", "docs.html", "docs-login.html"] },
    chunkSizeWarningLimit: 2_000,
    license: { fileName: "licenses.md" },
  },
  server: { proxy: { "/api": server, "/.well-known": server, "/ext": server } },
});
