"""One person of a test with LiveKit's Python SDK who says and hears data instead of media.

Reads one JSON command a line ({"id", "do", ...}) and writes one JSON line for each answer ({"id", "answer"} or {"id",
"error"}) and for each message that arrives ({"heard"}), in the shape of page/data.ts. Ends when standard input closes.
"""

import argparse
import asyncio
import json
import sys

from livekit import rtc

TOPIC = "story"


def write(line: dict) -> None:
    print(json.dumps(line), flush=True)


class Talker:
    def __init__(self, room: rtc.Room):
        self.room = room
        self.tracks: dict[str, rtc.LocalDataTrack] = {}
        self.tasks: set[asyncio.Task] = set()

    def start(self, work) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def listen(self) -> None:
        def packet(received: rtc.DataPacket) -> None:
            lossy = received.kind == rtc.DataPacketKind.KIND_LOSSY
            who = received.participant.identity if received.participant else None
            text = received.data.decode(errors="replace")
            write({"heard": {"how": "lossy" if lossy else "reliable", "from": who, "topic": received.topic, "text": text}})

        self.room.on("data_received", packet)
        self.room.register_text_stream_handler(TOPIC, lambda reader, who: self.start(self.hear_text(reader, who)))
        self.room.on("data_track_published", lambda track: self.start(self.hear_track(track)))

    async def hear_text(self, reader: rtc.TextStreamReader, who: str) -> None:
        write({"heard": {"how": "text", "from": who, "topic": TOPIC, "text": await reader.read_all()}})

    async def hear_track(self, track: rtc.RemoteDataTrack) -> None:
        async for frame in track.subscribe():
            text = bytes(frame.payload).decode(errors="replace")
            write({"heard": {"how": "track", "from": track.publisher_identity, "topic": track.info.name, "text": text}})

    async def shout(self, call: rtc.RpcInvocationData) -> str:
        return f"{call.caller_identity}: {call.payload.upper()}"

    async def do(self, order: dict) -> str | None:
        me, to = self.room.local_participant, order.get("to") or []
        match order["do"]:
            case "say":
                topic = order.get("topic") or ""
                await me.publish_data(
                    order["text"], reliable=order.get("reliable", True), destination_identities=to, topic=topic
                )
            case "tell":
                await me.send_text(order["text"], destination_identities=to, topic=TOPIC)
            case "ask":
                return await me.perform_rpc(destination_identity=order["whom"], method="shout", payload=order["text"])
            case "publishDataTrack":
                self.tracks[order["name"]] = await me.publish_data_track(name=order["name"])
            case "push":
                self.tracks[order["name"]].try_push(rtc.DataTrackFrame(payload=order["text"].encode()))
        return None

    async def answer(self, order: dict) -> None:
        try:
            write({"id": order["id"], "answer": await self.do(order)})
        except Exception as error:  # Whatever goes wrong is the test's to judge.
            write({"id": order["id"], "error": f"{type(error).__name__}: {error}"})


async def main(options: argparse.Namespace) -> None:
    room = rtc.Room()
    talker = Talker(room)
    talker.listen()
    settings = rtc.RoomOptions()
    if options.passphrase:
        keys = rtc.KeyProviderOptions(shared_key=options.passphrase.encode())
        settings.encryption = rtc.E2EEOptions(key_provider_options=keys)
    await room.connect(options.url, options.token, options=settings)
    room.local_participant.register_rpc_method("shout", talker.shout)
    write({"joined": True})
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        talker.start(talker.answer(json.loads(line)))
    await room.disconnect()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("--passphrase", help="of encryption")
    asyncio.run(main(parser.parse_args()))
