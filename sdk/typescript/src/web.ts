// The entry for browsers and edge runtimes: any transport of Connect, nothing of Node's.
//
// A page is no place for a token that lives long, nor for one that may sign: whoever opens the page has it. Call from a
// backend or an edge function, or give the page a token that may `verify` one secret and ends within minutes.

import type { Interceptor, Transport } from "@connectrpc/connect";
import { Client } from "./client.js";
import { endpoint } from "./transport.js";

export * from "./core.js";

/** `createConnectTransport` or `createGrpcWebTransport` of @connectrpc/connect-web, or a function that calls one. */
export type TransportFactory = (options: { baseUrl: string; interceptors: Interceptor[] }) => Transport;

/**
 * A client over the transport that `transport` makes. Pass on all that it is given: the interceptors send the token.
 *
 * Throws a CountersignError if the settings cannot be used, such as a token over plain http to another machine.
 */
export function connect(
  url: string,
  transport: TransportFactory,
  options: { token?: string; deadlineMs?: number } = {},
): Client {
  return new Client(transport(endpoint(url, options.token)), options);
}
