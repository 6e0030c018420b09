// A way to the server that is not the one it names: over a shaped link (harness/link.mjs), whose port is taken for its own.

/** Every connection from now on sends to this port instead of the server's, and by UDP alone. */
export function goThrough(port: number): void {
  const elsewhere = (candidate: string) =>
    / udp /i.test(candidate) ? candidate.replace(/( [\da-f.:]+) \d+ typ /i, `$1 ${port} typ `) : undefined;
  const describe: (description: RTCSessionDescriptionInit) => Promise<void> =
    RTCPeerConnection.prototype.setRemoteDescription;
  const add: (candidate?: RTCIceCandidateInit) => Promise<void> = RTCPeerConnection.prototype.addIceCandidate;
  Object.assign(RTCPeerConnection.prototype, {
    setRemoteDescription(this: RTCPeerConnection, { type, sdp = "" }: RTCSessionDescriptionInit) {
      const lines = sdp.split("\r\n").map((line) => (line.startsWith("a=candidate:") ? elsewhere(line) : line));
      return describe.call(this, { type, sdp: lines.filter((line) => line !== undefined).join("\r\n") });
    },
    async addIceCandidate(this: RTCPeerConnection, init?: RTCIceCandidateInit) {
      const candidate = init?.candidate && elsewhere(init.candidate);
      if (init?.candidate && candidate === undefined) return;
      await add.call(this, { ...init, ...(candidate && { candidate }) });
    },
  });
}
