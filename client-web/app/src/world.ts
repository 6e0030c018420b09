// The world as the page finds it in a browser. What is large comes once it is needed.

import { devices } from "./media/devices.ts";
import { endVisit, enterByLink, lookAtLink } from "./matrix/guest.ts";
import { ssoAddress, waysOf, withPassword, withToken } from "./matrix/login.ts";
import type { World } from "./state/app.ts";
import { NetworkFailure } from "./state/network.ts";
import type { Account, Config } from "./state/ports.ts";
import { arriving, type Asked, leaving } from "./state/sso.ts";
import type { GuestAccount } from "./state/visit.ts";

/** What this browser keeps of somebody who is logged in. */
const ACCOUNT = "hanse.account";

/** What this tab keeps of a guest, and no other. */
const GUEST = "hanse.guest";

/** What this tab keeps of somebody who is proving elsewhere who they are. */
const ASKED = "hanse.asked";

/** Held by the one page that has the account's keys. */
const LOCK = "hanse.page";
const held = new Set<string>();

/** Origins to which the browser has refused to go, by the page's policy. */
const blocked = new Set<string>();
addEventListener("securitypolicyviolation", (event) => {
  if (event.effectiveDirective === "connect-src") blocked.add(siteOf(event.blockedURI));
});

/** The same for HTTP and WebSockets. */
function siteOf(address: string): string {
  try {
    return new URL(address.replace(/^ws/, "http")).origin;
  } catch {
    return address;
  }
}

function remembered(): Asked | null {
  try {
    return JSON.parse(sessionStorage.getItem(ASKED) ?? "null") as Asked | null;
  } catch {
    return null;
  }
}

export const world: World = {
  async config() {
    const reply = await fetch("config.json", { cache: "no-cache" });
    if (!reply.ok) throw new Error(`config.json: ${reply.status}`);
    return (await reply.json()) as Config;
  },
  login: {
    waysOf,
    withPassword,
    goToSso(homeserver) {
      const { back, asked } = leaving(location.href, homeserver, crypto.randomUUID());
      sessionStorage.setItem(ASKED, JSON.stringify(asked));
      location.assign(ssoAddress(homeserver, back));
    },
  },
  devices,
  saved() {
    try {
      return JSON.parse(localStorage.getItem(ACCOUNT) ?? "null") as Account | null;
    } catch {
      return null;
    }
  },
  save(account) {
    if (account) localStorage.setItem(ACCOUNT, JSON.stringify(account));
    else localStorage.removeItem(ACCOUNT);
  },
  returned() {
    const { address, proven } = arriving(location.href, remembered());
    if (proven) {
      sessionStorage.removeItem(ASKED);
      history.replaceState(null, "", address);
    }
    return proven;
  },
  withToken,
  isOnlyPage(userId) {
    if (held.has(userId)) return Promise.resolve(true);
    return new Promise((answer) => {
      void navigator.locks.request(`${LOCK} ${userId}`, { ifAvailable: true }, (lock) => {
        if (lock) held.add(userId);
        answer(lock !== null);
        // Held until the page is gone.
        return lock && new Promise(() => {});
      });
    });
  },
  async house(account, config, isGuest) {
    const { openHouse } = await import("./matrix/house.ts");
    return openHouse(account, config, isGuest);
  },
  visit: (config) => ({
    look: (invitation) => lookAtLink(config, invitation),
    enter: (invitation, name, passcode) => enterByLink(config, invitation, name, passcode),
  }),
  endVisit,
  invitation() {
    const [, secret] = /^#\/join\/([\w-]+)$/.exec(location.hash) ?? [];
    return secret === undefined ? null : { secret };
  },
  savedGuest() {
    try {
      return JSON.parse(sessionStorage.getItem(GUEST) ?? "null") as GuestAccount | null;
    } catch {
      return null;
    }
  },
  saveGuest(guest) {
    if (guest) sessionStorage.setItem(GUEST, JSON.stringify(guest));
    else sessionStorage.removeItem(GUEST);
    // Who looks over a shoulder, or at this browser later, finds no way in.
    if (guest) history.replaceState(null, "", location.pathname);
  },
  async media(session) {
    const { openMedia } = await import("./media/media.ts");
    return openMedia(session.encrypted, (focus) => session.seat(focus), (focus) => blocked.has(siteOf(focus)));
  },
  network: (session) => ({
    isCheap: () => !(navigator as { connection?: { saveData?: boolean } }).connection?.saveData,
    async seat() {
      const focus = await session.ownFocus();
      try {
        return await session.examine(focus);
      } catch (error) {
        throw blocked.has(siteOf(focus)) ? new NetworkFailure("blocked") : error;
      }
    },
    async connect(seat, stop) {
      const { tryWay } = await import("./media/network.ts");
      try {
        return await tryWay(seat, stop);
      } catch (error) {
        throw blocked.has(siteOf(seat.url)) ? new NetworkFailure("blocked") : error;
      }
    },
    async rate(stop) {
      const { measureRate } = await import("./media/network.ts");
      return measureRate(stop);
    },
  }),
  wantedRoom() {
    const [, room] = /^#\/room\/(.+)$/.exec(location.hash) ?? [];
    try {
      return room === undefined ? null : decodeURIComponent(room);
    } catch {
      // Somebody has cut the address.
      return null;
    }
  },
  showRoom(roomId) {
    history.replaceState(null, "", roomId === null ? location.pathname : `#/room/${encodeURIComponent(roomId)}`);
  },
};
