// Where somebody is: logging in, among rooms, at the door of a call, in it, or out again.

import { effect, signal, untracked } from "@preact/signals";
import { Call, type Ending } from "./call.ts";
import { type DevicePorts, Door } from "./door.ts";
import { Login, type LoginPorts } from "./login.ts";
import { Network, type NetworkPorts } from "./network.ts";
import { type GuestAccount, type Invitation, Visit, type VisitPorts } from "./visit.ts";
import type { Account, Config, House, Homeserver, Media, CallSession } from "./ports.ts";
import type { Proven } from "./sso.ts";

export type Place =
  | { at: "opening"; what: "page" | "rooms" | "call" }
  | { at: "login"; login: Login }
  | { at: "visit"; visit: Visit }
  | { at: "lobby"; house: House; isRefused: boolean }
  | { at: "gone" }
  | { at: "rooms"; house: House }
  | { at: "door"; house: House; session: CallSession; door: Door; network: Network }
  | { at: "call"; house: House; call: Call }
  | { at: "left"; house: House; roomId: string; roomName: string; why: Ending | "self" }
  | { at: "trouble"; trouble: AppTrouble };

/** Why the page cannot go on by itself. */
export type AppTrouble = "config" | "homeserver" | "logged-out" | "no-sso" | "room" | "open-elsewhere" | "call" | "visit" | "no-guests";

/** What the page needs of the world. */
export interface World {
  config(): Promise<Config>;
  login: LoginPorts;
  devices: DevicePorts;
  /** What was kept in this browser. */
  saved(): Account | null;
  save(account: Account | null): void;
  /** Whoever came back from their homeserver with a token, which is in the page's address no more; once. `"unasked"`: nobody here has asked for it. */
  returned(): Proven | "unasked" | null;
  withToken(homeserver: Homeserver, token: string): Promise<Account>;
  /** Whether this is the only page with this account; two would spoil each other's keys. */
  isOnlyPage(userId: string): Promise<boolean>;
  house(account: Account, config: Config, isGuest: boolean): Promise<House>;
  /** The door for guests. */
  visit(config: Config): VisitPorts;
  endVisit(config: Config, token: string): Promise<void>;
  /** The link by which somebody came. */
  invitation(): Invitation | null;
  savedGuest(): GuestAccount | null;
  saveGuest(guest: GuestAccount | null): void;
  media(session: CallSession): Promise<Media>;
  /** The way to the SFU of a call. */
  network(session: CallSession): NetworkPorts;
  /** The room in the page's address, and later in it. */
  wantedRoom(): string | null;
  showRoom(roomId: string | null): void;
}

export class App {
  readonly place = signal<Place>({ at: "opening", what: "page" });
  private config: Config | null = null;
  /** Who is here for one meeting. */
  private guest: GuestAccount | null = null;
  private stopWaiting = (): void => {};
  /** Whoever came back, until they are let in. */
  private returned: Proven | "unasked" | null = null;

  constructor(private readonly world: World) {}

  async start(): Promise<void> {
    this.place.value = { at: "opening", what: "page" };
    // Before anything else: as long as it is in the address, others can read it.
    this.returned ??= this.world.returned();
    try {
      this.config = await this.world.config();
    } catch {
      return this.fail("config");
    }
    const guest = this.world.savedGuest();
    if (guest) return this.enterAsGuest(guest);
    const invitation = this.world.invitation();
    if (invitation) return this.takesGuests ? this.showVisit(invitation) : this.fail("no-guests");
    const { returned } = this;
    this.returned = null;
    if (returned && returned !== "unasked") return this.enterProven(returned);
    const saved = this.world.saved();
    if (saved) return this.enterHouse(saved);
    return returned ? this.fail("no-sso") : this.showLogin();
  }

  async openRoom(house: House, roomId: string): Promise<void> {
    this.place.value = { at: "opening", what: "call" };
    this.world.showRoom(roomId);
    try {
      const session = await house.call(roomId);
      const network = new Network(this.world.network(session));
      this.place.value = { at: "door", house, session, door: new Door(this.world.devices, session.rules), network };
      void network.glance();
    } catch {
      // Who goes on from there opens another, and two would spoil each other's keys.
      house.close();
      this.world.showRoom(null);
      this.fail("room");
    }
  }

  async join(): Promise<void> {
    const place = this.place.value;
    if (place.at !== "door") return;
    const { wish } = place.door;
    place.door.close();
    place.network.close();
    this.place.value = { at: "opening", what: "call" };
    let call: Call | null = null;
    try {
      call = new Call(place.session, await this.world.media(place.session), this.world.devices);
      await call.enter(wish);
      this.place.value = { at: "call", house: place.house, call };
      this.followEnd(call);
    } catch {
      // What had been opened of it; and before anybody goes on from here, the client, for the next one's keys' sake.
      await (call ?? place.session).leave().catch(() => {});
      place.house.close();
      this.fail("call");
    }
  }

  async leave(why: Ending | "self" = "self"): Promise<void> {
    const place = this.place.value;
    if (place.at !== "call" || place.call.isLeaving.value) return;
    await place.call.leave();
    const { roomId, roomName } = place.call.session;
    this.place.value = { at: "left", house: place.house, roomId, roomName: roomName.value, why };
  }

  toRooms(): void {
    const place = this.place.value;
    if (!("house" in place)) return;
    if (place.at === "door") {
      place.door.close();
      place.network.close();
      void place.session.leave();
    }
    this.world.showRoom(null);
    this.place.value = { at: "rooms", house: place.house };
  }

  async logOut(): Promise<void> {
    const place = this.place.value;
    if (!("house" in place)) return;
    this.place.value = { at: "opening", what: "page" };
    this.world.save(null);
    await place.house.logOut().catch(() => {});
    this.world.showRoom(null);
    this.showLogin();
  }

  /** Whether people without an account may come at all. */
  get takesGuests(): boolean {
    return this.config?.guests ?? false;
  }

  /** Whether whoever is here is a guest, who has no other rooms. */
  get isGuest(): boolean {
    return this.guest !== null;
  }

  /** For somebody without an account, by a link or, later, by a code. */
  async showVisit(invitation: Invitation | null): Promise<void> {
    const { config } = this;
    if (!config) return this.fail("config");
    const visit = new Visit(this.world.visit(config), (guest) => {
      this.world.saveGuest(guest);
      void this.enterAsGuest(guest);
    });
    this.place.value = { at: "visit", visit };
    if (invitation) await visit.look(invitation);
  }

  /** A guest is done: nothing of them is kept. */
  async endVisit(): Promise<void> {
    const { guest, config } = this;
    const place = this.place.value;
    if (!guest || !config || !("house" in place)) return;
    this.stopWaiting();
    if (place.at === "door") {
      place.door.close();
      place.network.close();
    }
    this.place.value = { at: "opening", what: "page" };
    this.guest = null;
    this.world.saveGuest(null);
    // Nothing is asked any more with what ends now: whoever is refused in the middle of it may never be done with the keys.
    place.house.close();
    // If it does not get through, the server ends the visit by itself later.
    await this.world.endVisit(config, guest.account.token).catch(() => {});
    await place.house.logOut().catch(() => {});
    this.place.value = { at: "gone" };
  }

  /** To log-in, for somebody who has an account after all. */
  toLogin(): void {
    this.world.showRoom(null);
    this.showLogin();
  }

  /** Begins anew, with another account if the one that was kept is of no use any more. */
  again(forget: boolean): Promise<void> {
    if (forget) this.world.save(null);
    return this.start();
  }

  private showLogin(): void {
    const { config } = this;
    if (!config) return this.fail("config");
    const login = new Login(config.homeservers, this.world.login, (account) => {
      this.world.save(account);
      void this.enterHouse(account);
    });
    this.place.value = { at: "login", login };
    void login.choose(config.homeservers[0]);
  }

  private async enterProven({ homeserver, token }: Proven): Promise<void> {
    try {
      const account = await this.world.withToken(homeserver, token);
      this.world.save(account);
      return await this.enterHouse(account);
    } catch {
      return this.fail("no-sso");
    }
  }

  private async enterHouse(account: Account): Promise<void> {
    if (!this.config) return this.fail("config");
    this.place.value = { at: "opening", what: "rooms" };
    if (!(await this.world.isOnlyPage(account.userId))) return this.fail("open-elsewhere");
    try {
      const house = await this.world.house(account, this.config, false);
      const wanted = this.world.wantedRoom();
      if (wanted) return await this.openRoom(house, wanted);
      this.place.value = { at: "rooms", house };
    } catch (error) {
      this.fail((error as { errcode?: string } | null)?.errcode === "M_UNKNOWN_TOKEN" ? "logged-out" : "homeserver");
    }
  }

  /** Whoever is put out is not left standing in the room's call as if they were there. */
  private followEnd(call: Call): void {
    const stop = effect(() => {
      const why = call.over.value;
      if (why === null && !call.isLeaving.value) return;
      untracked(() => {
        queueMicrotask(() => stop());
        if (why !== null) void this.leave(why);
      });
    });
  }

  /** Knocks, and waits until somebody opens. */
  private async enterAsGuest(guest: GuestAccount): Promise<void> {
    if (!this.config) return this.fail("config");
    this.guest = guest;
    this.place.value = { at: "opening", what: "rooms" };
    if (!(await this.world.isOnlyPage(guest.account.userId))) return this.fail("open-elsewhere");
    try {
      const house = await this.world.house(guest.account, this.config, true);
      const membership = house.membership(guest.roomId);
      if (membership.value === null || membership.value === "leave") await house.knock(guest.roomId, guest.via);
      this.place.value = { at: "lobby", house, isRefused: false };
      // Whoever has not knocked yet has not been refused either.
      let hasKnocked = false;
      this.stopWaiting = effect(() => {
        const now = membership.value;
        hasKnocked ||= now === "knock";
        untracked(() => {
          if (this.place.value.at !== "lobby") return;
          if (now === "invite" || now === "join") void this.openRoom(house, guest.roomId);
          else if (hasKnocked && (now === "leave" || now === "ban")) this.place.value = { at: "lobby", house, isRefused: true };
        });
      });
    } catch {
      this.world.saveGuest(null);
      this.fail("visit");
    }
  }

  private fail(trouble: AppTrouble): void {
    this.place.value = { at: "trouble", trouble };
  }
}
