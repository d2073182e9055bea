// Builds the page into dist/. The policy of the API forbids inline script and style, so nothing is
// inlined and the preload helper, which needs no old browsers here, stays out.
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [react()],
  build: {
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    sourcemap: false,
    target: "es2023",
  },
  test: { setupFiles: ["src/test-setup.ts"] },
  server: { host: "127.0.0.1", port: 55990, proxy: { "/api": "http://127.0.0.1:8080" } },
});
