import { defineConfig } from "vite";

// The built page lies inside the Python package, so that users need no Node.
export default defineConfig({
  base: "/",
  build: {
    outDir: "../src/collaparte/studio/page",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
});
