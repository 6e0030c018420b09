// A browser that does not know every codec, as there are many.

/** Every connection from now on does without some codecs (MIME types) in what it receives, and in sound that it sends. Video
 * that it sends is the business of livekit-client, which asks for one codec each. */
export function lackCodecs(mimeTypes: string[]): void {
  const lacks = new Set(mimeTypes.map((each) => each.toLowerCase()));
  const forget = (connection: RTCPeerConnection) => {
    for (const transceiver of connection.getTransceivers()) {
      const { kind } = transceiver.receiver.track;
      if (transceiver.direction === "stopped" || (kind === "video" && transceiver.sender.track)) continue;
      const known = RTCRtpReceiver.getCapabilities(kind)?.codecs ?? [];
      transceiver.setCodecPreferences(known.filter((codec) => !lacks.has(codec.mimeType.toLowerCase())));
    }
  };
  for (const method of ["createOffer", "createAnswer"] as const) {
    const describe: (options?: RTCOfferOptions) => Promise<RTCSessionDescriptionInit> = RTCPeerConnection.prototype[method];
    Object.assign(RTCPeerConnection.prototype, {
      [method](this: RTCPeerConnection, options?: RTCOfferOptions) {
        forget(this);
        return describe.call(this, options);
      },
    });
  }
}
