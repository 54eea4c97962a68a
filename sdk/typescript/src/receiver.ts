// What the middlewares share: from a request to a verdict, or to the answer that ends it.

import type { Client } from "./client.js";
import { CountersignError, invalid } from "./error.js";
import type { Credential, HeadersLike } from "./headers.js";
import type { WebhookVerdict } from "./verdict.js";

/** Settings of a middleware. `R` is the request of the framework. */
export interface ReceiverOptions<R> {
  /** The largest body taken; 1 MiB unless set. */
  limitBytes?: number;
  /** The URL as registered with the vendor, where it is not the one that the request shows, such as behind a proxy. */
  url?: (request: R) => string;
  /** Credentials to send too; `monday.webhook` needs "authorization". */
  credentials?: readonly Credential[];
  /** Hears why there was no verdict; `console.error` unless set. Nothing of the request is in the error. */
  onError?: (error: CountersignError) => void;
}

/** A request as the frameworks hand it over. */
export interface Delivery {
  headers: HeadersLike;
  method: string;
  url: string;
  body: Uint8Array | AsyncIterable<Uint8Array>;
}

/** An HTTP response. */
export interface Answer {
  status: number;
  headers: [name: string, value: string][];
  body: Uint8Array | string;
}

/** A genuine event, or the answer that ends the request. */
export type Received = { event: { verdict: WebhookVerdict; body: Uint8Array } } | { answer: Answer };

const DEFAULT_LIMIT_BYTES = 1024 * 1024;

/** Reads the body, asks for a verdict, and answers all that is not a genuine event. */
export async function receive<R>(
  client: Client,
  secret: string,
  delivery: Delivery,
  options: ReceiverOptions<R>,
): Promise<Received> {
  const body = await read(delivery.body, options.limitBytes ?? DEFAULT_LIMIT_BYTES);
  // What is left of a body that is too large is not waited for.
  if (body === undefined) return refusal(413, { error: "body_too_large" }, ["connection", "close"]);
  let verdict: WebhookVerdict;
  try {
    const { method, url } = delivery;
    const { credentials } = options;
    verdict = await client.verifyWebhook(secret, delivery.headers, body, { method, url, credentials });
  } catch (error) {
    return noVerdict(CountersignError.from(error), options.onError);
  }
  if (verdict.handshake !== undefined) return { answer: verdict.handshake };
  if (!verdict.verified) return refusal(401, { error: "webhook_refused", reason: verdict.reason });
  return { event: { verdict, body } };
}

/** What the sender did wrong is the sender's to know; all else is reported, and the sender is to come again. */
function noVerdict(error: CountersignError, onError?: (error: CountersignError) => void): Received {
  if (error.reason === "BODY_TOO_LARGE") return refusal(413, { error: "body_too_large" });
  const field = error.violations[0]?.field ?? "";
  if (error.reason === "FIELD_INVALID" && ["headers", "method", "url"].includes(field)) {
    return refusal(400, { error: "webhook_malformed", field });
  }
  const report = onError ?? ((failure) => console.error(`countersign: no verdict: ${failure.message}`));
  report(error);
  return refusal(503, { error: "verification_unavailable" }, ["retry-after", "1"]);
}

/** The error of a middleware that comes too late. */
export function alreadyRead(): CountersignError {
  return invalid("body", "was read or parsed before: put the webhook middleware in front of any body parser");
}

function refusal(status: number, body: object, ...headers: [string, string][]): Received {
  return {
    answer: { status, headers: [["content-type", "application/json"], ...headers], body: JSON.stringify(body) },
  };
}

/** The whole body, or undefined if it is over the limit. */
async function read(body: Delivery["body"], limitBytes: number): Promise<Uint8Array | undefined> {
  if (body instanceof Uint8Array) return body.length <= limitBytes ? body : undefined;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > limitBytes) return undefined;
    chunks.push(chunk);
  }
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}
