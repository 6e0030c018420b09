"""People with LiveKit's Python SDK who come, are seen and heard, see and hear, and go; many in one process.

Standard input has one command a line, as JSON: `{"do": "come", "name", "url", "token", "form", "mark", "hertz"}` or
`{"do": "go", "name"}`. Standard output has one line for everything that happens: `{"name", "event", "at"}`, and the
`identity` of whoever was `seen` or `heard` for the first time. `at` is the machine's clock in milliseconds. Ends when
standard input closes.
"""

import asyncio
import json
import sys
import time

import numpy as np
from livekit import rtc
from person import RATE, SILENCE, publish_picture, publish_tone

PICTURE = {"width": 320, "height": 180, "fps": 10}


def say(name: str, event: str, **more: object) -> None:
    """One line of what happens."""
    print(json.dumps({"name": name, "event": event, "at": time.time() * 1000, **more}), flush=True)


class Newcomer:
    """One person from coming to going."""

    def __init__(self, name: str):
        self.name = name
        self.room = rtc.Room()
        self.tasks: list[asyncio.Task] = []
        self.room.on("track_subscribed", lambda track, _, who: self.start(self.notice(track, who.identity)))

    def start(self, work) -> None:
        """Runs until the end of the visit."""
        task = asyncio.create_task(work)
        task.add_done_callback(self.done)
        self.tasks.append(task)

    def done(self, task: asyncio.Task) -> None:
        if not task.cancelled() and task.exception():
            say(self.name, "failed", reason=repr(task.exception()))

    async def come(self, command: dict) -> None:
        say(self.name, "begun")
        settings = rtc.RoomOptions(auto_subscribe=True, single_peer_connection=command["form"] == "single")
        await self.room.connect(command["url"], command["token"], options=settings)
        self.start(publish_picture(self.room, command["mark"], **PICTURE))
        self.start(publish_tone(self.room, command["hertz"]))
        say(self.name, "joined")

    async def notice(self, track: rtc.Track, identity: str) -> None:
        # A stream that is not closed keeps its decoder and its frames for as long as the process lives.
        if track.kind == rtc.TrackKind.KIND_VIDEO:
            pictures = rtc.VideoStream(track)
            try:
                async for _ in pictures:
                    return say(self.name, "seen", identity=identity)
            finally:
                await pictures.aclose()
        else:
            sounds = rtc.AudioStream(track, sample_rate=RATE, num_channels=1)
            try:
                async for event in sounds:
                    block = np.frombuffer(event.frame.data, np.int16) / 32768
                    if np.sqrt((block**2).mean()) > SILENCE:
                        return say(self.name, "heard", identity=identity)
            finally:
                await sounds.aclose()

    async def go(self) -> None:
        for task in self.tasks:
            task.cancel()
        await self.room.disconnect()
        say(self.name, "gone")


async def main() -> None:
    loop = asyncio.get_running_loop()
    people: dict[str, Newcomer] = {}
    going: set[asyncio.Task] = set()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        name = command["name"]
        if command["do"] == "come":
            people[name] = Newcomer(name)
            people[name].start(people[name].come(command))
        elif gone := people.pop(name, None):
            going.add(asyncio.create_task(gone.go()))
    await asyncio.gather(*going, *(person.go() for person in people.values()))


if __name__ == "__main__":
    asyncio.run(main())
