// The middleware for Express, and for all that hands on Node's own request and response.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Client } from "./client.js";
import { alreadyRead, receive, type Answer, type ReceiverOptions } from "./receiver.js";
import type { WebhookVerdict } from "./verdict.js";

declare global {
  namespace Express {
    interface Request {
      /** The verdict on this delivery, behind the middleware `webhook`. */
      countersign?: WebhookVerdict;
    }
  }
}

/** Node's request, with what Express and others add. */
export type NodeRequest = IncomingMessage & {
  body?: unknown;
  rawBody?: unknown;
  originalUrl?: string;
  protocol?: string;
  countersign?: WebhookVerdict;
};

/**
 * Lets only genuine deliveries through. The handler finds the raw bytes in `req.body` (a Buffer) and the verdict in
 * `req.countersign`. Put it in front of any body parser: behind one it passes on an error that says so.
 */
export function webhook(client: Client, secret: string, options: ReceiverOptions<NodeRequest> = {}) {
  return (request: NodeRequest, response: ServerResponse, next: (error?: unknown) => void): void => {
    handle(client, secret, request, response, options).then((isEvent) => isEvent && next(), next);
  };
}

async function handle(
  client: Client,
  secret: string,
  request: NodeRequest,
  response: ServerResponse,
  options: ReceiverOptions<NodeRequest>,
): Promise<boolean> {
  const delivery = {
    headers: request.rawHeaders,
    method: request.method ?? "",
    url: options.url?.(request) ?? shownUrl(request),
    body: bodyOf(request),
  };
  const received = await receive(client, secret, delivery, options);
  if ("answer" in received) {
    send(response, received.answer);
    return false;
  }
  const { body, verdict } = received.event;
  request.body = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  request.countersign = verdict;
  return true;
}

/** Cloud functions read the body beforehand and keep its bytes in `rawBody`; `express.raw` keeps them in `body`. */
function bodyOf(request: NodeRequest): Uint8Array | AsyncIterable<Uint8Array> {
  const kept = [request.rawBody, request.body].find((body) => body instanceof Uint8Array);
  if (kept !== undefined) return kept;
  if (request.readableDidRead) throw alreadyRead();
  return request;
}

function shownUrl(request: NodeRequest): string {
  const protocol = request.protocol ?? ("encrypted" in request.socket ? "https" : "http");
  return `${protocol}://${request.headers.host ?? ""}${request.originalUrl ?? request.url ?? ""}`;
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.statusCode = status;
  for (const [name, value] of headers) response.appendHeader(name, value);
  response.end(body);
}
