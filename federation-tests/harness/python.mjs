// People and server API calls with LiveKit's Python SDKs.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export { pythonPerson } from "./sdk.mjs";

const python = process.env["HANSE_PYTHON"] || "python3";
const rooms = fileURLToPath(new URL("../python/rooms.py", import.meta.url));

/** A call of the server API: `method` as in python/rooms.py. */
export async function serverApi({ http, key, secret }, method, request = {}) {
  const { stdout } = await promisify(execFile)(python, [rooms, http, key, secret, method, JSON.stringify(request)]);
  return JSON.parse(stdout);
}
