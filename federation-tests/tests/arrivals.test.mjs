// Newcomers with Chromium and with the Python SDK come to a room while others go: each is heard and seen by everybody who
// stays, and hears and sees them. How fast, `cargo xtask bench clients` judges on an idle machine.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CLIENTS, arrivals } from "../harness/arrivals.mjs";
import { world } from "../harness/world.mjs";

const VISITS = 8;
const FORMS = { single: "/rtc/v1", dual: "/rtc" };

const here = world();

for (const [form, path] of Object.entries(FORMS)) {
  test(`${VISITS} newcomers of each client are heard and seen by all and hear and see all, by ${path}`, async () => {
    const all = await arrivals({ ...here, form, visits: VISITS });
    assert.equal(all.length, VISITS * CLIENTS.length);
    assert.deepEqual(all.filter(({ shown }) => shown === null), [], "those who were not heard and seen by everybody");
    assert.deepEqual(all.filter(({ shows }) => shows === null), [], "those who did not hear and see everybody");
    assert.ok(here.hanse.log().includes(" joined"), "they came to the server under test");
  });
}
