// The licences of others whose code is in the page: most ask that their text goes with every copy.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

const LICENCE = /^(licen[cs]e|copying|copyright|notice)/i;

interface Locked {
  version?: string;
  license?: string;
  dev?: boolean;
  optional?: boolean;
}

/** Writes `notices.txt` beside the page: each text once, with the packages that it is of. */
export function notices(folder: string): Plugin {
  return {
    name: "notices",
    apply: "build",
    generateBundle() {
      this.emitFile({ type: "asset", fileName: "notices.txt", source: noticesOf(folder) });
    },
  };
}

export function noticesOf(folder: string): string {
  const { packages } = JSON.parse(readFileSync(join(folder, "package-lock.json"), "utf8")) as { packages: Record<string, Locked> };
  const packagesOf = new Map<string, string[]>();
  for (const [path, { version, license, dev, optional }] of Object.entries(packages)) {
    if (path === "" || dev || optional) continue;
    const name = `${path.replace(/^.*node_modules\//, "")} ${version}`;
    if (!license) throw new Error(`${name} says nothing of its licence: do without it`);
    const own = join(folder, path);
    const files = existsSync(own) ? readdirSync(own).filter((file) => LICENCE.test(file)).toSorted() : [];
    const texts = files.map((file) => readFileSync(join(own, file), "utf8").replaceAll("\r\n", "\n").trim());
    for (const text of texts.length > 0 ? texts : [`It names its licence, and brings no text of it: ${license}`]) {
      packagesOf.set(text, [...(packagesOf.get(text) ?? []), name]);
    }
  }
  const parts = [...packagesOf].map(([text, names]) => `${"=".repeat(80)}\n${names.join(", ")}:\n\n${text}\n`);
  return ["What others wrote and is in this page, with its licences.\n", ...parts].join("\n");
}
