import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  build: {
    target: "es2022",
    // A whole Matrix client is larger than the bundler's default warning.
    chunkSizeWarningLimit: 2500,
  },
});
