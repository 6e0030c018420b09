import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  // Relative addresses: the page also works behind a path prefix.
  base: "./",
  build: {
    outDir: fileURLToPath(new URL("../dist-demo", import.meta.url)),
    emptyOutDir: true,
    target: "es2022",
    // livekit-client alone is larger than the bundler's default warning.
    chunkSizeWarningLimit: 900,
  },
  worker: { format: "es" },
});
