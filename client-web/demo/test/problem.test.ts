import { ConnectionError, DisconnectReason, PublishTrackError } from "livekit-client";
import { expect, test } from "vitest";
import { deviceProblem, endProblem, joinProblem } from "../src/problem.ts";
import { say, type Word } from "../src/words.ts";

const answers = (status: number | null) => async () => status;

test.each<[Word, number | null]>([
  ["unreachable", null],
  ["full", 503],
  ["refused", 401],
  ["noRoom", 404],
  ["mediaBlocked", 200],
])("a failed connection is explained as %s when the server answers %s", async (word, status) => {
  const error = ConnectionError.websocket("closed");
  expect(await joinProblem(error, "ws://sfu", "token", answers(status))).toBe(say(word));
});

test("a reason that the SDK knows is not asked for again", async () => {
  const asked = async () => expect.fail("nobody needs to ask");
  const gone = ConnectionError.notAllowed("requested room does not exist", 404);
  expect(await joinProblem(gone, "ws://sfu", "token", asked)).toBe(say("noRoom"));
  expect(await joinProblem(ConnectionError.notAllowed("expired", 401), "ws://sfu", "token", asked)).toBe(say("refused"));
});

test("anything else is shown as it is", async () => {
  expect(await joinProblem(new Error("odd"), "", "", answers(200))).toBe(say("unexpected", { detail: "odd" }));
});

test("a device that does not start gets a sentence with its name; choosing no screen needs none", () => {
  const failure = (name: string) => Object.assign(new Error(), { name });
  expect(deviceProblem("camera", failure("NotFoundError"))).toContain(say("aCamera"));
  expect(deviceProblem("microphone", failure("NotAllowedError"))).toContain(say("aMicrophone"));
  expect(deviceProblem("camera", failure("NotReadableError"))).toBe(say("deviceBusy", { device: say("aCamera") }));
  expect(deviceProblem("screen", failure("NotAllowedError"))).toBeNull();
  expect(deviceProblem("camera", new PublishTrackError("no", 403))).toBe(say("publishRefused"));
});

test("the end of a call is explained, unless one wanted it", () => {
  expect(endProblem(DisconnectReason.CLIENT_INITIATED)).toBeNull();
  expect(endProblem(DisconnectReason.DUPLICATE_IDENTITY)).toBe(say("elsewhere"));
  expect(endProblem(DisconnectReason.PARTICIPANT_REMOVED)).toBe(say("removed"));
  expect(endProblem(DisconnectReason.SERVER_SHUTDOWN)).toBe(say("serverStopped"));
  expect(endProblem(undefined)).toBe(say("lost"));
});
