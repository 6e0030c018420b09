import { expect, test } from "vitest";
import { type ConnectionStat, Network, NetworkFailure, type NetworkPorts, type Route, routeOf } from "../src/state/network.ts";

const SEAT = { url: "wss://hanse.a.example", jwt: "j" };
const UDP: Route = { way: "udp", roundTripMs: 20 };

function stage(more: Partial<NetworkPorts> = {}) {
  const did: string[] = [];
  const network = new Network({
    isCheap: () => true,
    async seat() {
      did.push("seat");
      return SEAT;
    },
    async connect() {
      did.push("connect");
      return UDP;
    },
    async rate() {
      did.push("rate");
      return 5_000_000;
    },
    ...more,
  });
  return { network, did };
}

test("by itself only the way is tried, and nothing at all where data is dear", async () => {
  const { network, did } = stage();
  await network.glance();
  expect(did).toEqual(["seat", "connect"]);
  expect(network.finding.value).toEqual({ ...UDP, enough: null });
  const dear = stage({ isCheap: () => false });
  await dear.network.glance();
  expect(dear.did).toEqual([]);
  await dear.network.check();
  expect(dear.did).toEqual(["seat", "connect", "rate"]);
});

test("how much gets through, and how long it takes, say for what it is enough", async () => {
  const enough = async (rate: number, roundTripMs = 20) => {
    const { network } = stage({ rate: async () => rate, connect: async () => ({ way: "tcp", roundTripMs }) });
    await network.check();
    const found = network.finding.value;
    return found && "enough" in found && found.enough;
  };
  expect(await enough(10_000_000)).toBe("picture");
  expect(await enough(10_000_000, 900)).toBe("sound");
  expect(await enough(400_000)).toBe("sound");
  expect(await enough(20_000)).toBe("little");
});

test("each failure is told, and a server that knows no trial only to whoever asks for one", async () => {
  const failing = stage({ seat: () => Promise.reject(new NetworkFailure("refused", "Not today.")) });
  await failing.network.glance();
  expect(failing.network.finding.value).toEqual({ problem: "refused", sentence: "Not today." });
  const elsewhere = stage({ seat: () => Promise.reject(new NetworkFailure("unknown")) });
  await elsewhere.network.glance();
  expect(elsewhere.network.finding.value).toBeNull();
  await elsewhere.network.check();
  expect(elsewhere.network.finding.value).toEqual({ problem: "unknown", sentence: "" });
});

test("whoever joins meanwhile is not told that the trial failed", async () => {
  let stopped = false;
  const { network } = stage({
    connect: (_seat, stop) =>
      new Promise((_done, fail) => {
        stop.addEventListener("abort", () => {
          stopped = true;
          fail(new NetworkFailure("sfu"));
        });
      }),
  });
  const looking = network.check();
  await Promise.resolve();
  await Promise.resolve();
  network.close();
  await looking;
  expect(stopped).toBe(true);
  expect(network.finding.value).toBeNull();
});

test("the way is that of the pair in use, and none before something came back", () => {
  const stats = (local: Partial<ConnectionStat>, time: number | undefined = 0.0305): ConnectionStat[] => [
    { id: "L2", type: "local-candidate", protocol: "udp", candidateType: "host" },
    { id: "L", type: "local-candidate", ...local },
    { id: "P", type: "candidate-pair", localCandidateId: "L", ...(time !== undefined && { currentRoundTripTime: time }) },
    { id: "T", type: "transport", selectedCandidatePairId: "P" },
  ];
  expect(routeOf(stats({ protocol: "udp", candidateType: "host" }))).toEqual({ way: "udp", roundTripMs: 31 });
  expect(routeOf(stats({ protocol: "tcp", candidateType: "host" }))?.way).toBe("tcp");
  expect(routeOf(stats({ protocol: "udp", candidateType: "relay" }))?.way).toBe("relay");
  expect(routeOf(stats({ protocol: "udp", candidateType: "host" }).map(({ currentRoundTripTime: _time, ...stat }) => stat))).toBeNull();
  expect(routeOf([])).toBeNull();
});
