import { expect, test } from "vitest";
import { type GuestAccount, type Invitation, Visit, type VisitPorts, visitProblemOf } from "../src/state/visit.ts";

const GUEST: GuestAccount = {
  account: { homeserver: { name: "a.example", url: "https://matrix.a.example" }, userId: "@hanse-guest-x:a.example", deviceId: "D", token: "t" },
  roomId: "!room",
  via: [],
};

function stage(ports: Partial<VisitPorts> = {}) {
  const looked: Invitation[] = [];
  const entered: GuestAccount[] = [];
  const said: [string, string][] = [];
  const visit = new Visit(
    {
      async look(invitation) {
        looked.push(invitation);
        return { meeting: "Council", organisation: "a.example", needsPasscode: true };
      },
      async enter(_invitation, name, passcode) {
        said.push([name, passcode]);
        return GUEST;
      },
      ...ports,
    },
    (guest) => entered.push(guest),
  );
  return { visit, looked, entered, said };
}

test("a link says what it opens before anybody gives a name", async () => {
  const { visit, looked, entered } = stage();
  await visit.look({ secret: "s" });
  expect(looked).toEqual([{ secret: "s" }]);
  expect(visit.opening.value).toEqual({ meeting: "Council", organisation: "a.example", needsPasscode: true });
  expect(entered).toEqual([]);
});

test("a code is understood however it is written, and what is none is not tried", async () => {
  const { visit, looked } = stage();
  for (const typed of ["123 456 789", "123-456-789", " 123.456.789 "]) await visit.lookSpoken(typed);
  expect(looked).toEqual(Array.from({ length: 3 }, () => ({ spoken: "123456789" })));
  for (const typed of ["", "12345678", "1234567890", "12345678x"]) {
    await visit.lookSpoken(typed);
    expect(visit.problem.value, typed).toBe("no-link");
  }
  expect(looked.length).toBe(3);
});

test("nobody comes in without a name, or without a link that opens", async () => {
  const { visit, said, entered } = stage();
  await visit.enter("Eve", "x");
  await visit.look({ secret: "s" });
  await visit.enter("  ", "x");
  expect(visit.problem.value).toBe("name");
  expect(said).toEqual([]);
  await visit.enter(" Eve ", " 1234 ");
  expect(said).toEqual([["Eve", "1234"]]);
  expect(entered).toEqual([GUEST]);
});

test("a wrong passcode may be tried again, and is told from a link that opens nothing", async () => {
  let isRight = false;
  const { visit, entered } = stage({
    async enter() {
      if (!isRight) throw Object.assign(new Error("The passcode is not right."), { code: "ORG.HANSE.WRONG_PASSCODE" });
      return GUEST;
    },
  });
  await visit.look({ secret: "s" });
  await visit.enter("Eve", "1");
  expect(visit.problem.value).toBe("passcode");
  isRight = true;
  await visit.enter("Eve", "2");
  expect([visit.problem.value, entered.length]).toEqual([null, 1]);
});

test("refusals become what they mean", () => {
  expect(visitProblemOf({ code: "ORG.HANSE.NO_LINK" })).toBe("no-link");
  expect(visitProblemOf({ code: "M_LIMIT_EXCEEDED" })).toBe("too-often");
  expect(visitProblemOf({ code: "ORG.HANSE.NO_GUEST_ACCOUNTS" })).toBe("no-accounts");
  expect(visitProblemOf(new TypeError("Failed to fetch"))).toBe("unreachable");
});
