"""One person of a test with LiveKit's Python SDK, which stands for every native client (it is libwebrtc underneath).

Joins, publishes a test picture and a tone when asked to, and writes one JSON line whenever it looks at what arrives. The
lines have the shape of the browsers' view (page/page.ts), with the names of the reconnections so far. A line on standard
input is a scenario to simulate. Ends when standard input closes.
"""

import argparse
import asyncio
import json
import os
import sys

import numpy as np
from livekit import rtc

# The test picture, as page/picture.ts draws and reads it.
COLUMNS, ROWS = 16, 9
QUADRANTS = np.array([[[200, 30, 30], [30, 170, 30]], [[40, 40, 210], [210, 200, 30]]])
TOLERANCE = 70
# A cell is looked at in so many places, along each side: there may be grain.
PLACES = 5

RATE = 48_000
# Sound is given and taken in pieces of 50 ms: each piece costs Python time that the call needs.
BLOCK_MS = 50
BLOCK = RATE * BLOCK_MS // 1000
AMPLITUDE = 0.25
# A tone is measured over this many samples: 6 Hz a bin.
WINDOW = 8192
SILENCE = 1e-3
LOOK_S = 0.2

SOURCES = {
    rtc.TrackSource.SOURCE_CAMERA: "camera",
    rtc.TrackSource.SOURCE_MICROPHONE: "microphone",
    rtc.TrackSource.SOURCE_SCREENSHARE: "screen",
}


def draw(mark: int, counter: int, width: int, height: int) -> bytes:
    """A test picture as RGBA."""
    grid = np.zeros((ROWS, COLUMNS, 4), np.uint8)
    grid[:, :, 3] = 255
    grid[1:5, :8, :3], grid[1:5, 8:, :3] = QUADRANTS[0]
    grid[5:8, :8, :3], grid[5:8, 8:, :3] = QUADRANTS[1]
    for row, value in ((0, mark), (ROWS - 1, counter)):
        bits = np.unpackbits(np.array([value % 256], np.uint8))
        grid[row, :, :3] = np.concatenate([bits, 1 - bits])[:, None] * 255
    rows = np.arange(height) * ROWS // height
    columns = np.arange(width) * COLUMNS // width
    return grid[rows][:, columns].tobytes()


def places(cells: int, pixels: int) -> np.ndarray:
    """Where cells are looked at, along one side: around their middles, away from their neighbours."""
    middles = np.arange(cells)[:, None] + 0.5 + np.linspace(-0.25, 0.25, PLACES)
    return (middles * pixels / cells).astype(int).ravel()


def read(frame: rtc.VideoFrame) -> dict | None:
    """What a picture shows; None when it is no test picture."""
    rgba = frame.convert(rtc.VideoBufferType.RGBA)
    pixels = np.frombuffer(rgba.data, np.uint8).reshape(rgba.height, rgba.width, 4)[:, :, :3]
    rows, columns = places(ROWS, rgba.height), places(COLUMNS, rgba.width)
    grid = pixels[rows][:, columns].reshape(ROWS, PLACES, COLUMNS, PLACES, 3).mean((1, 3))
    wanted = np.repeat(np.repeat(QUADRANTS, [4, 3], axis=0), 8, axis=1)
    if np.abs(grid[1 : ROWS - 1] - wanted).max() > TOLERANCE:
        return None
    values = []
    for row in (0, ROWS - 1):
        light = grid[row].sum(axis=1) > 384
        if (light[:8] == light[8:]).any():
            return None
        values.append(int(np.packbits(light[:8])[0]))
    return {"mark": values[0], "counter": values[1]}


def transport(stats: list) -> str:
    """Over which it comes: `udp` or `tcp`; nothing while there is no path."""
    selected = {entry.transport.transport.selected_candidate_pair_id for entry in stats if entry.HasField("transport")}
    chosen = [entry.candidate_pair for entry in stats if entry.HasField("candidate_pair")]
    remotes = {pair.candidate_pair.remote_candidate_id for pair in chosen if pair.rtc.id in selected}
    protocols = {
        entry.remote_candidate.candidate.protocol
        for entry in stats
        if entry.HasField("remote_candidate") and entry.remote_candidate.rtc.id in remotes
    }
    return "".join(sorted(protocols))


class Received:
    """What has arrived of one track so far."""

    def __init__(self, track: rtc.Track):
        self.track = track
        self.view: dict = {"framesDecoded": 0} if track.kind == rtc.TrackKind.KIND_VIDEO else {"tone": None}
        # The last samples of a sound, the oldest first.
        self.heard = np.zeros(0, np.int16)
        self.task = asyncio.create_task(self.video(track) if "framesDecoded" in self.view else self.audio(track))

    async def measure(self) -> None:
        """Brings up to date over what the track comes, and of a sound its tone and how much was played and made up."""
        if len(self.heard) == WINDOW:
            self.view["tone"] = tone(self.heard / 32768)
        stats = await self.track.get_stats()
        self.view["transport"] = transport(stats)
        for entry in stats if "tone" in self.view else []:
            if entry.HasField("inbound_rtp"):
                counts = entry.inbound_rtp.inbound
                concealed = counts.concealed_samples - counts.silent_concealed_samples
                self.view.update(samples=counts.total_samples_received, concealed=concealed)

    async def video(self, track: rtc.Track) -> None:
        async for event in rtc.VideoStream(track):
            self.view["framesDecoded"] += 1
            self.view.update(width=event.frame.width, height=event.frame.height, picture=read(event.frame))

    async def audio(self, track: rtc.Track) -> None:
        async for event in rtc.AudioStream(track, sample_rate=RATE, num_channels=1, frame_size_ms=BLOCK_MS):
            self.heard = np.concatenate([self.heard, np.frombuffer(event.frame.data, np.int16)])[-WINDOW:]


def tone(heard: np.ndarray) -> int | None:
    """The loudest frequency; None for silence."""
    if np.sqrt((heard**2).mean()) <= SILENCE:
        return None
    return round(int(np.abs(np.fft.rfft(heard * np.hanning(WINDOW))).argmax()) * RATE / WINDOW)


async def publish_picture(room: rtc.Room, mark: int, width: int, height: int, fps: int) -> None:
    source = rtc.VideoSource(width, height)
    track = rtc.LocalVideoTrack.create_video_track("camera", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA, simulcast=False, video_codec=rtc.VideoCodec.VP8)
    counter = 0
    try:
        await room.local_participant.publish_track(track, options)
        while True:
            picture = draw(mark, counter, width, height)
            source.capture_frame(rtc.VideoFrame(width, height, rtc.VideoBufferType.RGBA, picture))
            counter += 1
            await asyncio.sleep(1 / fps)
    finally:
        await source.aclose()


async def publish_tone(room: rtc.Room, hertz: float) -> None:
    source = rtc.AudioSource(RATE, 1)
    track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    position = 0
    try:
        await room.local_participant.publish_track(track, options)
        while True:
            samples = AMPLITUDE * np.sin(2 * np.pi * hertz * (np.arange(BLOCK) + position) / RATE)
            position += BLOCK
            block = (samples * 32767).astype(np.int16).tobytes()
            # Waits while the source's queue is full, and so keeps time.
            await source.capture_frame(rtc.AudioFrame(block, RATE, 1, BLOCK))
    finally:
        await source.aclose()


def view(room: rtc.Room, received: dict[str, Received], happened: list[str]) -> dict:
    """The same shape as `View` in page/page.ts."""
    people = []
    for who in room.remote_participants.values():
        tracks = [
            {
                "sid": each.sid,
                "source": SOURCES.get(each.source, "unknown"),
                "muted": each.muted,
                "encrypted": each.encryption_type != rtc.EncryptionType.NONE,
                "subscribed": each.sid in received,
                **(received[each.sid].view if each.sid in received else {}),
            }
            for each in who.track_publications.values()
        ]
        people.append({"identity": who.identity, "sid": who.sid, "tracks": tracks})
    return {
        "state": rtc.ConnectionState.Name(room.connection_state),
        "sid": room.local_participant.sid,
        "people": people,
        "happened": happened,
    }


async def main(options: argparse.Namespace) -> None:
    room = rtc.Room()
    received: dict[str, Received] = {}
    room.on("track_subscribed", lambda track, publication, _: received.update({publication.sid: Received(track)}))

    def forget(_track: rtc.Track, publication: rtc.TrackPublication, _who: rtc.Participant) -> None:
        if gone := received.pop(publication.sid, None):
            gone.task.cancel()

    room.on("track_unsubscribed", forget)
    happened: list[str] = []
    for event in ("reconnecting", "reconnected", "disconnected"):
        room.on(event, lambda *_, event=event: happened.append(event))
    settings = rtc.RoomOptions(auto_subscribe=True, single_peer_connection=options.dual != "true")
    if options.passphrase:
        keys = rtc.KeyProviderOptions(shared_key=options.passphrase.encode())
        settings.encryption = rtc.E2EEOptions(key_provider_options=keys)
    await room.connect(options.url, options.token, options=settings)
    media = []
    if options.mark is not None:
        media.append(asyncio.create_task(publish_picture(room, options.mark, 320, 180, 10)))
    if options.hertz is not None:
        media.append(asyncio.create_task(publish_tone(room, options.hertz)))

    over = asyncio.Event()
    loop = asyncio.get_running_loop()

    def simulate(scenario: str) -> None:
        media.append(loop.create_task(room.simulate_scenario(rtc.SimulateScenarioKind.Value(f"SIMULATE_{scenario}"))))

    def listen() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(simulate, line.strip())
        loop.call_soon_threadsafe(over.set)

    loop.run_in_executor(None, listen)
    while not over.is_set():
        for task in media:
            if task.done():
                task.result()
        await asyncio.gather(*(each.measure() for each in list(received.values())))
        print(json.dumps(view(room, received, happened)), flush=True)
        await asyncio.sleep(LOOK_S)
    await room.disconnect()
    # Nothing is taken apart: once in many runs the end of an audio source waits for a thread that never ends.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("--passphrase", help="of frame encryption")
    parser.add_argument("--dual", default="false", help="true: with a peer connection to publish and one to receive")
    parser.add_argument("--mark", type=int, help="publish this test picture")
    parser.add_argument("--hertz", type=float, help="publish this tone")
    asyncio.run(main(parser.parse_args()))
