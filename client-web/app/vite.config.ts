import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";
import { notices } from "./notices.ts";

/** What gets much smaller when it is packed. */
const PACKABLE = new Set([".html", ".js", ".css", ".wasm", ".svg", ".tflite", ".webmanifest", ".txt"]);

/** Leaves every file packed, and only so: hanse carries the folder with it, and unpacks for whoever does not take gzip. */
function packed(): Plugin {
  let folder = "";
  return {
    name: "packed",
    apply: "build",
    configResolved(config) {
      folder = config.build.outDir;
    },
    async closeBundle() {
      const entries = await readdir(folder, { recursive: true, withFileTypes: true });
      const files = entries.filter((entry) => entry.isFile() && PACKABLE.has(extname(entry.name)));
      await Promise.all(
        files.map(async (entry) => {
          const path = join(entry.parentPath, entry.name);
          await writeFile(`${path}.gz`, gzipSync(await readFile(path), { level: constants.Z_BEST_COMPRESSION }));
          await rm(path);
        }),
      );
    },
  };
}

/** Where MediaPipe tells its makers how it is used. */
const TELLS = "https://odml.pa.googleapis.com/v1/log";
const SENDS = "async send(t,e,r){";

/** Takes that out. The page's policy would not let it through either; here nobody even tries. */
function silent(): Plugin {
  return {
    name: "silent",
    transform(code, id) {
      if (!id.includes("@mediapipe/tasks-vision/vision_bundle")) return undefined;
      const parts = code.split(SENDS);
      if (parts.length !== 2 || !code.includes(TELLS)) throw new Error("MediaPipe tells of its use in another way: look at it anew");
      return parts.join(`${SENDS}return void r?.(0);`).replace(TELLS, "");
    },
  };
}

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  // Relative addresses: the page also works behind a path prefix.
  base: "./",
  build: {
    outDir: fileURLToPath(new URL("dist", import.meta.url)),
    emptyOutDir: true,
    target: "es2022",
    // Everything comes from files: the policy of the page has no place for data: and inline scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // A whole Matrix client is larger than the bundler's default warning; it is loaded after the page is there.
    chunkSizeWarningLimit: 2500,
    reportCompressedSize: true,
  },
  worker: { format: "es", plugins: () => [silent()] },
  plugins: [notices(fileURLToPath(new URL(".", import.meta.url))), packed()],
});
