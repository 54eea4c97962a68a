// The middleware for all that takes a `Request` and answers a `Response`: route handlers of Next.js, Hono, SvelteKit,
// Remix, Deno, Bun, Workers.

import type { Client } from "./client.js";
import { alreadyRead, receive, type ReceiverOptions } from "./receiver.js";
import type { WebhookVerdict } from "./verdict.js";

/** A genuine event. */
export interface WebhookEvent {
  verdict: WebhookVerdict;
  /** The raw bytes. The request can be read too, as if nobody had. */
  body: Uint8Array;
}

/**
 * A handler that is called for genuine deliveries only; all others are answered here. Further arguments of the framework
 * are passed on.
 *
 * `Request` joins repeated headers with a comma before anybody sees them, so here a repeated header is one whose value
 * has a comma in it.
 */
export function webhook<R extends Request, A extends unknown[]>(
  client: Client,
  secret: string,
  handler: (request: R, event: WebhookEvent, ...rest: A) => Response | Promise<Response>,
  options: ReceiverOptions<R> = {},
): (request: R, ...rest: A) => Promise<Response> {
  return async (request, ...rest) => {
    if (request.bodyUsed) throw alreadyRead();
    const delivery = {
      headers: request.headers,
      method: request.method,
      url: options.url?.(request) ?? request.url,
      body: chunks(request.clone().body),
    };
    const received = await receive(client, secret, delivery, options);
    if ("event" in received) return await handler(request, received.event, ...rest);
    const { status, headers, body } = received.answer;
    // A status without a body, such as 204, takes not even an empty one.
    return new Response(body.length > 0 ? (body as string) : null, { status, headers });
  };
}

/** Not every runtime can iterate over a stream. */
async function* chunks(stream: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  if (stream === null) return;
  const reader = stream.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    // Not awaited: it would wait for the request's own copy of the stream.
    reader.cancel().catch(() => {});
  }
}
