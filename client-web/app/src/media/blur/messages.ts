// What the page and the worker that blurs say to each other.

/** Pictures of a camera, and where to they go. */
export interface ToBlur {
  from: ReadableStream<VideoFrame>;
  to: WritableStream<VideoFrame>;
}

/** Whether it can blur; after `failed` no picture comes any more. */
export interface FromBlur {
  kind: "ready" | "failed";
}
