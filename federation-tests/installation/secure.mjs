// What somebody sees who comes to a server that serves TLS itself.
import { connect as connectPlain } from "node:net";
import { connect } from "node:tls";

/** A handshake under a name: what the server showed, as somebody has it who believes the authorities `ca` only. */
export async function shown({ host = "127.0.0.1", port, name, ca, ...options }) {
  const socket = connect({ host, port, servername: name, ca, ALPNProtocols: ["http/1.1"], ...options });
  try {
    await new Promise((done, fail) => {
      socket.once("secureConnect", () => done(undefined));
      socket.once("error", fail);
    });
    const { fingerprint256, valid_to } = socket.getPeerCertificate();
    return { fingerprint: fingerprint256, until: valid_to, protocol: socket.getProtocol(), alpn: socket.alpnProtocol };
  } finally {
    socket.destroy();
  }
}

/**
 * A connection that sends one of the bytes every `everyMs`, and no more when there are none. Resolves when the server has closed it: how
 * many ms that took.
 */
export function trickle({ host, port, localAddress, bytes, everyMs = 500 }) {
  const left = [...bytes];
  const socket = connectPlain({ host, port, localAddress });
  const begin = performance.now();
  let timer;
  return new Promise((done) => {
    const drip = () => {
      const [byte] = left.splice(0, 1);
      if (byte !== undefined) socket.write(Buffer.from([byte]));
    };
    socket.once("connect", () => {
      drip();
      timer = setInterval(drip, everyMs);
    });
    // Closing with something unread resets the connection; both are an end.
    socket.on("error", () => {});
    socket.resume();
    socket.once("close", () => {
      clearInterval(timer);
      done(performance.now() - begin);
    });
  });
}
