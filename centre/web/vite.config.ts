import { defineConfig } from "vite";

/** The page is served by the centre from `centre/static/`; nothing in it reaches beyond that server. */
export default defineConfig({
  base: "/",
  build: {
    outDir: "../static",
    rolldownOptions: { input: ["index.html", "signin.html"] },
    emptyOutDir: true,
    assetsInlineLimit: 0, // the content security policy allows no inline script
    chunkSizeWarningLimit: 2_000,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  worker: { format: "es" },
  server: { proxy: { "/api": { target: "http://127.0.0.1:8080", ws: true } } },
});
