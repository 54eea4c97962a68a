// The entry for Node.

import { X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Client } from "./client.js";
import { invalid } from "./error.js";
import { DEFAULT_DEADLINE_MS, endpoint } from "./transport.js";

export * from "./core.js";

/** Settings of a client. PEM texts may be given as `readFileSync` reads them. */
export interface ConnectOptions {
  /** The bearer token sent with every call. */
  token?: string;
  /** The CA that the server's certificate must come from, in place of those of the system: PEM. */
  ca?: string | Buffer;
  /** A client certificate with its chain: PEM. */
  cert?: string | Buffer;
  /** The private key of the client certificate: PEM. */
  key?: string | Buffer;
  /** Milliseconds that a call may take, retries included; 5000 unless set. */
  deadlineMs?: number;
}

/**
 * A client that speaks gRPC to a server and connects at its first call. Without a URL COUNTERSIGN_SERVER (or
 * http://127.0.0.1:50051) holds, without a token COUNTERSIGN_TOKEN.
 *
 * Throws a CountersignError if the settings cannot be used, such as a token over plain http to another machine.
 */
export function connect(url?: string, options: ConnectOptions = {}): Client {
  const { COUNTERSIGN_SERVER, COUNTERSIGN_TOKEN } = process.env;
  const token = options.token ?? (COUNTERSIGN_TOKEN || undefined);
  const address = endpoint(url ?? (COUNTERSIGN_SERVER || "http://127.0.0.1:50051"), token);
  // A connection that died in silence is found out early enough for another attempt within the deadline.
  const pingMs = 0.25 * (options.deadlineMs ?? DEFAULT_DEADLINE_MS);
  const transport = createGrpcTransport({
    ...address,
    nodeOptions: tls(address.baseUrl, options),
    pingIntervalMs: pingMs,
    pingTimeoutMs: pingMs,
  });
  return new Client(transport, options);
}

function tls(baseUrl: string, { ca, cert, key }: ConnectOptions) {
  const given = ca ?? cert ?? key;
  if (given === undefined) return {};
  if (!baseUrl.startsWith("https:")) throw invalid("url", "is plain http, though a certificate was given: use https");
  if ((cert === undefined) !== (key === undefined)) throw invalid("cert", "and key are needed together");
  try {
    // A CA that is no certificate is passed over in silence.
    if (ca !== undefined) new X509Certificate(ca);
    createSecureContext({ ca, cert, key });
  } catch {
    // What OpenSSL says is nothing to repair a file by.
    throw invalid("ca, cert or key", "is no usable PEM text, or the key is not that of the certificate");
  }
  return { ca, cert, key };
}
