import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The build is committed: names come from contents alone, so that the same sources
// give the same bytes.
export default defineConfig({
  plugins: [react()],
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // no data: addresses; the policy of the page forbids them for fonts
    modulePreload: { polyfill: false },
    sourcemap: false,
    reportCompressedSize: true,
  },
});
