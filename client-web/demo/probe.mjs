// What check.mjs puts into the page. Both functions run in the browser and know nothing of the page's own code.

/** Before the page's scripts: remembers every peer connection and when each video showed its first frame. */
export function installProbe() {
  const probe = { connections: [], firstFrames: new WeakMap() };
  window.hanseProbe = probe;
  const Original = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Original {
    constructor(...settings) {
      super(...settings);
      probe.connections.push(this);
    }
  };
  const seen = (event) => {
    const stream = event.target.srcObject;
    if (stream && !probe.firstFrames.has(stream)) probe.firstFrames.set(stream, Date.now());
  };
  document.addEventListener("loadeddata", seen, true);
}

/** The tiles with what the WebRTC statistics say about each, and every incoming stream that carries media. */
export async function readProbe() {
  const incoming = [];
  for (const connection of window.hanseProbe.connections) {
    if (connection.connectionState === "closed") continue;
    for (const entry of (await connection.getStats()).values()) if (entry.type === "inbound-rtp") incoming.push(entry);
  }
  const tiles = [...document.querySelectorAll(".tile")].map((root) => {
    const video = root.querySelector("video");
    const track = video.hidden ? null : (video.srcObject?.getVideoTracks()[0]?.id ?? null);
    const entry = incoming.find((each) => each.trackIdentifier === track);
    return {
      label: root.querySelector(".name").textContent,
      notes: root.querySelector(".notes").textContent,
      track,
      width: video.videoWidth,
      height: video.videoHeight,
      frames: entry?.framesDecoded,
      fps: entry?.framesPerSecond ?? 0,
      firstFrameAt: window.hanseProbe.firstFrames.get(video.srcObject) ?? 0,
    };
  });
  return {
    tiles,
    videos: incoming.filter((each) => each.kind === "video" && each.framesDecoded > 0).map((each) => each.trackIdentifier),
    sounds: [...document.querySelectorAll("audio")].map((root) => {
      const track = root.srcObject?.getAudioTracks()[0]?.id;
      const entry = incoming.find((each) => each.trackIdentifier === track);
      return { of: root.dataset.of, energy: entry?.totalAudioEnergy ?? 0 };
    }),
  };
}
