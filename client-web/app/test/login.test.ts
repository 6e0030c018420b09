import { expect, test } from "vitest";
import { Login, type LoginPorts, problemOf, type Way } from "../src/state/login.ts";
import type { Account, Homeserver } from "../src/state/ports.ts";

const A: Homeserver = { name: "a.example", url: "https://matrix.a.example" };
const B: Homeserver = { name: "b.example", url: "https://matrix.b.example" };

function stage(ports: Partial<LoginPorts> = {}) {
  const entered: Account[] = [];
  const tried: [string, string][] = [];
  const login = new Login(
    [A, B],
    {
      waysOf: async () => ["password"],
      async withPassword(homeserver, user) {
        tried.push([homeserver.name, user]);
        return { homeserver, userId: `@${user}:${homeserver.name}`, deviceId: "D", token: "t" };
      },
      goToSso: () => {},
      ...ports,
    },
    (account) => entered.push(account),
  );
  return { login, entered, tried };
}

test("a name and a whole id both lead to the right homeserver, and strangers are told where they are", async () => {
  const { login, entered, tried } = stage();
  await login.choose(A);
  await login.enter(" alice ", "x");
  await login.enter("@alice:a.example", "x");
  await login.enter("@bob:b.example", "x");
  expect(tried).toEqual([
    ["a.example", "alice"],
    ["a.example", "alice"],
    ["b.example", "bob"],
  ]);
  await login.enter("@eve:elsewhere.example", "x");
  expect(login.problem.value).toBe("elsewhere");
  expect(entered.length).toBe(3);
});

test("a password is never sent to a homeserver that is not ours", async () => {
  const { login, tried } = stage();
  await login.choose(A);
  await login.enter("@alice:a.example:8448", "x");
  await login.enter("alice:evil.example", "x");
  expect(tried).toEqual([]);
});

test("refusals become what they mean", () => {
  expect(problemOf(new TypeError("Failed to fetch"))).toBe("unreachable");
  expect(problemOf({ status: 403, code: "M_FORBIDDEN" })).toBe("wrong");
  expect(problemOf({ status: 403, code: "M_USER_DEACTIVATED" })).toBe("deactivated");
  expect(problemOf({ status: 429, code: "M_LIMIT_EXCEEDED" })).toBe("too-often");
  expect(problemOf({ status: 500, code: "" })).toBe("refused");
});

test("an answer that comes after another homeserver was chosen changes nothing", async () => {
  let answerA: (ways: Way[]) => void = () => {};
  const waysOf = (homeserver: Homeserver) =>
    homeserver === A ? new Promise<Way[]>((done) => (answerA = done)) : Promise.resolve<Way[]>(["sso"]);
  const { login } = stage({ waysOf });
  const first = login.choose(A);
  await login.choose(B);
  answerA(["password"]);
  await first;
  expect(login.ways.value).toEqual(["sso"]);
});

test("a homeserver without a known way, and one that is away, are told apart", async () => {
  const none = stage({ waysOf: async () => [] });
  await none.login.choose(A);
  expect(none.login.problem.value).toBe("no-way");
  const away = stage({ waysOf: () => Promise.reject(new TypeError()) });
  await away.login.choose(A);
  expect(away.login.problem.value).toBe("unreachable");
});
