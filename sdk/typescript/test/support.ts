// The servers of the testbed, and what the tests of all frameworks share.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { request, type IncomingHttpHeaders } from "node:http";
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { after } from "node:test";
import { inspect } from "node:util";
import Stripe from "stripe";
import { Webhook } from "svix";
import { connect, CountersignError } from "../src/index.js";
import { CountersignService, Mode, ReplayPolicy, SecretService } from "../src/v1.js";

export function variable(name: string): string {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: run this under the testbed`);
  return value;
}

export const server = variable("COUNTERSIGN_SERVER");
export const pem = (name: string) => readFileSync(variable(name));
export const tokenIn = (name: string) => readFileSync(variable(name), "utf8").trim();

/** A client of the open server, and one that reaches nobody. */
export const client = connect(server);
export const nobody = connect("http://127.0.0.1:1", { deadlineMs: 300 });

const suffix = `t${crypto.randomUUID().slice(0, 8)}`;
let secrets = 0;

/** A new secret on the open server. */
export async function secret(scheme: string, importedKey = "", mode = Mode.UNSPECIFIED): Promise<string> {
  const name = `${suffix}/s${++secrets}`;
  const replayPolicy = scheme.includes("webhook") ? ReplayPolicy.OFF : ReplayPolicy.UNSPECIFIED;
  await client.stub(SecretService).createSecret({ name, scheme, importedKey, mode, replayPolicy });
  return name;
}

const STRIPE_KEY = `whsec_${randomBytes(24).toString("hex")}`;
const SVIX_KEY = `whsec_${randomBytes(24).toString("base64")}`;

/** Secrets with the keys that the vendors' libraries sign with. */
export const stripeSecret = await secret("stripe.webhook", STRIPE_KEY);
export const svixSecret = await secret("svix.webhook", SVIX_KEY);

const stripe = new Stripe("sk_test_unused");

/** A delivery made by Stripe's own library. */
export function stripeDelivery(payload: string): [string, string][] {
  return [["Stripe-Signature", stripe.webhooks.generateTestHeaderString({ payload, secret: STRIPE_KEY })]];
}

/** A delivery made by Svix's own library. */
export function svixDelivery(payload: string): [string, string][] {
  const [id, time] = [`msg_${crypto.randomUUID()}`, new Date()];
  return [
    ["svix-id", id],
    ["svix-timestamp", String(Math.floor(time.getTime() / 1000))],
    ["svix-signature", new Webhook(SVIX_KEY).sign(id, time, payload)],
  ];
}

/** A delivery that the vendors' libraries cannot make, made by the service. */
export async function signed(
  name: string,
  body: Uint8Array,
  headers: [string, string][] = [],
  url = "",
): Promise<[string, string][]> {
  const read = headers.map(([name, value]) => ({ name, value }));
  const input = { case: "webhook", value: { body: Uint8Array.from(body), headers: read, url } } as const;
  const answer = await client.stub(CountersignService).sign({ secret: name, input });
  return answer.headers.map((header) => [header.name, header.value]);
}

export interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

/** Sends a delivery as chunks over a real connection; headers as they are given. */
export async function post(
  url: string,
  headers: [string, string][],
  body: Uint8Array | string,
  pieces = 3,
): Promise<Reply> {
  const bytes = Buffer.from(body);
  return await new Promise((resolve, reject) => {
    const all = ["Host", new URL(url).host, ...headers.flat()];
    const sent = request(url, { method: "POST", headers: all }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString(),
        });
      });
    });
    sent.on("error", reject);
    const size = Math.ceil(bytes.length / pieces) || 1;
    for (let start = 0; start < bytes.length; start += size) sent.write(bytes.subarray(start, start + size));
    sent.end();
  });
}

/** The address of a server that a test starts. */
export function address(running: Server): string {
  return `http://127.0.0.1:${(running.address() as AddressInfo).port}`;
}

/** Starts listening on a free port, and hangs up on everybody when the tests of a file have ended. */
export async function listening<S extends Server>(running: S): Promise<S> {
  running.on("connection", (socket: Socket) => after(() => socket.destroy()));
  await new Promise<void>((resolve) => running.listen(0, "127.0.0.1", resolve));
  after(() => running.close());
  return running;
}

/** Asserts that a call fails with this code, and answers the error. */
export async function failure(call: Promise<unknown> | (() => unknown), code: string): Promise<CountersignError> {
  try {
    await (typeof call === "function" ? call() : call);
  } catch (error) {
    assert.ok(error instanceof CountersignError, inspect(error));
    assert.equal(error.code, code, error.message);
    return error;
  }
  assert.fail(`no error, though ${code} was expected`);
}

/** A way to another server whose connections can be made to die in silence; new ones live. */
export async function freezing(target: string): Promise<{ url: string; freeze: () => void }> {
  const { hostname, port } = new URL(target);
  const ways: [Socket, Socket][] = [];
  const proxy = createServer((socket) => {
    const onward = createConnection({ host: hostname, port: Number(port) });
    ways.push([socket, onward]);
    for (const end of [socket, onward]) end.on("error", () => {});
    after(() => onward.destroy());
    socket.pipe(onward).pipe(socket);
  });
  await listening(proxy);
  const freeze = () => {
    for (const [socket, onward] of ways.splice(0)) {
      socket.unpipe(onward).resume();
      onward.unpipe(socket).resume();
    }
  };
  return { url: address(proxy), freeze };
}

/** A server that hangs up on the first connections and then passes on to another. */
export async function dropping(times: number, target: string): Promise<string> {
  const { hostname, port } = new URL(target);
  let left = times;
  const proxy = createServer((socket) => {
    socket.on("error", () => {});
    if (left-- > 0) return void socket.once("data", () => socket.destroy());
    const onward = createConnection({ host: hostname, port: Number(port) });
    onward.on("error", () => socket.destroy());
    onward.on("close", () => socket.destroy());
    socket.on("close", () => onward.destroy());
    socket.pipe(onward).pipe(socket);
  });
  await listening(proxy);
  return address(proxy);
}
