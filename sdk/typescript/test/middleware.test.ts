// The same deliveries through every framework, each in a real server of its own.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { createConnection } from "node:net";
import { describe, test } from "node:test";
import { createAdaptorServer } from "@hono/node-server";
import express from "express";
import { Hono } from "hono";
import { connect, type Client, type CountersignError, type WebhookVerdict } from "../src/index.js";
import { webhook as expressWebhook } from "../src/express.js";
import { webhook as fetchWebhook } from "../src/fetch.js";
import type { ReceiverOptions } from "../src/receiver.js";
import {
  address,
  client,
  listening,
  nobody,
  post,
  secret,
  signed,
  stripeDelivery,
  stripeSecret,
  svixDelivery,
  svixSecret,
  variable,
} from "./support.js";

const slackSecret = await secret("slack.webhook");
const asanaSecret = await secret("asana.webhook");
const twilioSecret = await secret("twilio.webhook");
const mondaySecret = await secret("monday.webhook");

const errors: CountersignError[] = [];
const onError = (error: CountersignError) => void errors.push(error);

/** What stands behind each path, for every framework. */
interface Route {
  secret: string;
  client?: Client;
  options?: Pick<ReceiverOptions<unknown>, "limitBytes" | "onError" | "url" | "credentials">;
}

const silent = connect(variable("TESTBED_SILENT_SERVER"), { deadlineMs: 200 });
const routes: Record<string, Route> = {
  "/stripe": { secret: stripeSecret },
  "/svix": { secret: svixSecret },
  "/small": { secret: stripeSecret, options: { limitBytes: 100 } },
  "/down": { secret: stripeSecret, client: nobody, options: { onError } },
  "/late": { secret: stripeSecret, client: silent, options: { onError } },
  "/unknown": { secret: "demo/no-such-secret", options: { onError } },
  "/slack": { secret: slackSecret },
  "/asana": { secret: asanaSecret },
  "/monday": { secret: mondaySecret, options: { credentials: ["authorization"] } },
  "/without": { secret: mondaySecret },
  "/twilio": { secret: twilioSecret },
  "/proxied": { secret: twilioSecret, options: { url: () => "https://public.example/hook?a=1" } },
};

function seen(bytes: Uint8Array, verdict?: WebhookVerdict): object {
  return { sha256: createHash("sha256").update(bytes).digest("hex"), verified: verdict?.verified };
}

/** What is answered to a sender of a part of a body. */
async function answerBeforeTheEnd(url: string, sentBytes: number, lengthBytes: number): Promise<string> {
  const { hostname, port, pathname } = new URL(url);
  const socket = createConnection({ host: hostname, port: Number(port) });
  const head = `POST ${pathname} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${lengthBytes}\r\n\r\n`;
  socket.write(head + "x".repeat(sentBytes));
  const [first] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return String(first);
}

function expressApp(): Server {
  const app = express();
  for (const [path, route] of Object.entries(routes)) {
    app.post(path, expressWebhook(route.client ?? client, route.secret, route.options), (request, response) => {
      response.json(seen(request.body as Buffer, request.countersign));
    });
  }
  return createServer(app);
}

function nodeServer(): Server {
  return createServer((request, response) => {
    const route = routes[request.url?.split("?")[0] ?? ""];
    assert.ok(route);
    const middleware = expressWebhook(route.client ?? client, route.secret, route.options);
    middleware(request, response, (error) => {
      const { body, countersign } = request as { body?: Buffer; countersign?: WebhookVerdict };
      response.end(error === undefined ? JSON.stringify(seen(body as Buffer, countersign)) : "error");
    });
  });
}

function honoApp(): Server {
  const app = new Hono();
  for (const [path, route] of Object.entries(routes)) {
    const handler = fetchWebhook(
      route.client ?? client,
      route.secret,
      async (_request, { verdict }, context: { req: { arrayBuffer(): Promise<ArrayBuffer> } }) =>
        Response.json(seen(new Uint8Array(await context.req.arrayBuffer()), verdict)),
      route.options,
    );
    app.post(path, (context) => handler(context.req.raw, context));
  }
  return createAdaptorServer({ fetch: app.fetch }) as Server;
}

/** As the file app/…/route.ts of Next.js exports it. */
function routeHandlers(): Server {
  const handlers = Object.entries(routes).map(([path, route]) => {
    async function handle(request: Request, { verdict, body }: { verdict: WebhookVerdict; body: Uint8Array }) {
      const again = new Uint8Array(await request.arrayBuffer());
      assert.deepEqual(again, body);
      return Response.json(seen(again, verdict));
    }
    const POST: (request: Request, context: object) => Promise<Response> = fetchWebhook(
      route.client ?? client,
      route.secret,
      handle,
      route.options,
    );
    return [path, POST] as const;
  });
  const byPath = new Map(handlers);
  return createAdaptorServer({
    fetch: (request) => byPath.get(new URL(request.url).pathname)?.(request, {}) ?? new Response(null, { status: 404 }),
  }) as Server;
}

const vendors = { stripe: stripeDelivery, svix: svixDelivery };
const bodies = {
  "a small one": '{"id":"evt_1", "spaces" : true}\n',
  "non-ASCII text": '{"id":"evt_2","name":"Grüße, 世界 \\u00e9 😀"}',
  "a large one": JSON.stringify({ id: "evt_3", data: "grün ☃ 𝄞 ".repeat(60_000) }),
};
const apps = { Express: expressApp, "node:http": nodeServer, Hono: honoApp, "a route handler": routeHandlers };

for (const [framework, app] of Object.entries(apps)) {
  await describe(framework, { concurrency: 1 }, async () => {
    const url = address(await listening(app()));

    for (const [vendor, deliver] of Object.entries(vendors)) {
      for (const [kind, body] of Object.entries(bodies)) {
        test(`${vendor}: ${kind} passes in chunks, and the handler reads the same bytes`, async () => {
          const reply = await post(`${url}/${vendor}`, deliver(body), body);
          assert.equal(reply.status, 200, reply.text);
          assert.deepEqual(JSON.parse(reply.text), { ...seen(Buffer.from(body)), verified: true });
        });

        test(`${vendor}: ${kind} that was changed is refused with the reason`, async () => {
          const reply = await post(`${url}/${vendor}`, deliver(body), body.replace("evt_", "evil"));
          assert.equal(reply.status, 401);
          assert.equal(reply.headers["content-type"], "application/json");
          assert.equal(reply.text, '{"error":"webhook_refused","reason":"SIGNATURE_MISMATCH"}');
        });
      }
    }

    test("bytes that are no text pass, and the handler reads the same", async () => {
      const body = Uint8Array.of(0xff, 0xfe, 0x00, 0xc3, 0x28, 0x80);
      const reply = await post(`${url}/stripe`, await signed(stripeSecret, body), body, 2);
      assert.deepEqual(JSON.parse(reply.text), { ...seen(body), verified: true });
    });

    test("a header that comes twice is refused, unless the framework has joined it", async () => {
      const [once] = stripeDelivery("{}");
      assert.ok(once);
      const reply = await post(`${url}/stripe`, [once, once], "{}");
      // Request has joined the two with a comma before anybody sees them, and Stripe's may hold several signatures.
      if (framework === "Hono" || framework === "a route handler") assert.equal(reply.status, 200);
      else assert.deepEqual([reply.status, JSON.parse(reply.text).reason], [401, "HEADER_AMBIGUOUS"]);
    });

    test("no body at all is refused like any other", async () => {
      const reply = await post(`${url}/stripe`, [], "");
      assert.deepEqual([reply.status, JSON.parse(reply.text).reason], [401, "HEADER_MISSING"]);
    });

    test("a body over the limit is not taken", async () => {
      const just = "x".repeat(100);
      assert.equal((await post(`${url}/small`, stripeDelivery(just), just)).status, 200);
      const over = await post(`${url}/small`, stripeDelivery(`${just}x`), `${just}x`, 1);
      assert.deepEqual([over.status, over.text], [413, '{"error":"body_too_large"}']);
      const early = await answerBeforeTheEnd(`${url}/small`, 200, 5000);
      assert.match(early, /^HTTP\/1\.1 413 /, "to a sender that waits with the rest");
      const large = "x".repeat(3_000_000);
      const reply = await post(`${url}/small`, stripeDelivery(large), large).catch((error: Error) => error);
      // A sender that still writes may see the connection end before it reads the answer.
      if (reply instanceof Error) assert.match(reply.message, /EPIPE|ECONNRESET|socket hang up/);
      else assert.equal(reply.status, 413);
      assert.equal((await post(`${url}/small`, stripeDelivery(just), just)).status, 200, "the server goes on");
    });

    test("where there is no verdict the sender is asked to try again", async () => {
      for (const [path, code] of Object.entries({
        "/down": "UNAVAILABLE",
        "/late": "DEADLINE_EXCEEDED",
        "/unknown": "NOT_FOUND",
      })) {
        const reply = await post(url + path, stripeDelivery("{}"), "{}");
        assert.equal(reply.status, 503);
        assert.equal(reply.headers["retry-after"], "1");
        assert.equal(reply.text, '{"error":"verification_unavailable"}');
        assert.equal(errors.pop()?.code, code);
      }
    });

    test("what no vendor sends is the sender's fault and no outage", async () => {
      const reply = await post(`${url}/stripe?${"a".repeat(8192)}`, stripeDelivery("{}"), "{}");
      assert.deepEqual([reply.status, reply.text], [400, '{"error":"webhook_malformed","field":"url"}']);
      assert.deepEqual([reply.headers["retry-after"], errors], [undefined, []]);
    });

    test("a vendor's handshake is answered, signed or not, and never handed on", async () => {
      const question = Buffer.from('{"type":"url_verification","challenge":"c-42","token":"t"}');
      const slack = await post(`${url}/slack`, await signed(slackSecret, question), question);
      assert.deepEqual([slack.status, slack.text], [200, "c-42"]);
      const asana = await post(`${url}/asana`, [["X-Hook-Secret", "s-42"]], "{}");
      assert.deepEqual([asana.status, asana.headers["x-hook-secret"], asana.text], [200, "s-42", ""]);
      const forged = await post(`${url}/slack`, [["X-Slack-Signature", "v0=00"]], question);
      assert.equal(forged.status, 401);
    });

    test("authorization is sent where it is asked for", async () => {
      const [body, headers] = [Buffer.from("{}"), await signed(mondaySecret, Buffer.from("{}"))];
      assert.equal(headers[0]?.[0].toLowerCase(), "authorization");
      assert.equal((await post(`${url}/monday`, headers, body)).status, 200);
      assert.equal((await post(`${url}/without`, headers, body)).status, 401);
    });

    test("the URL is the one of the request, or what the function says", async () => {
      const form = Buffer.from("CallSid=1&From=%2B1");
      const type: [string, string] = ["Content-Type", "application/x-www-form-urlencoded"];
      const direct = await signed(twilioSecret, form, [type], `${url}/twilio?x=%2F1`);
      assert.equal((await post(`${url}/twilio?x=%2F1`, [type, ...direct], form)).status, 200);
      assert.equal((await post(`${url}/twilio?x=%2F2`, [type, ...direct], form)).status, 401);
      const public_ = await signed(twilioSecret, form, [type], "https://public.example/hook?a=1");
      assert.equal((await post(`${url}/proxied`, [type, ...public_], form)).status, 200);
      assert.equal((await post(`${url}/proxied`, [type, ...direct], form)).status, 401);
    });
  });
}

test("Express: behind a parser it passes on an error that says so, and keeps what express.raw kept", async () => {
  const app = express();
  app.post("/parsed", express.json(), expressWebhook(client, stripeSecret), (_, response) => void response.send("no"));
  app.post("/raw", express.raw({ type: "*/*" }), expressWebhook(client, stripeSecret), (request, response) => {
    response.json(seen(request.body as Buffer, request.countersign));
  });
  app.post("/after", expressWebhook(client, stripeSecret), express.json(), (request, response) => {
    response.json(seen(request.body as Buffer, request.countersign));
  });
  app.use(((error, _request, response, _next) => {
    response.status(500).send((error as Error).message);
  }) as express.ErrorRequestHandler);
  const url = address(await listening(createServer(app)));
  const type: [string, string] = ["content-type", "application/json"];
  const parsed = await post(`${url}/parsed`, [type, ...stripeDelivery("{}")], "{}");
  assert.equal(parsed.status, 500);
  assert.match(parsed.text, /in front of any body parser/);
  for (const path of ["/raw", "/after"]) {
    const reply = await post(url + path, [type, ...stripeDelivery('{"a":1}')], '{"a":1}');
    assert.deepEqual(JSON.parse(reply.text), { ...seen(Buffer.from('{"a":1}')), verified: true });
  }
});

test("Express: the URL is the whole one behind a router, too", async () => {
  const router = express.Router();
  router.post("/hook", expressWebhook(client, twilioSecret), (_, response) => void response.send("event"));
  const url = `${address(await listening(createServer(express().use("/mounted", router))))}/mounted/hook?a=1`;
  const [form, type] = [Buffer.from("a=1"), ["Content-Type", "application/x-www-form-urlencoded"] as [string, string]];
  const reply = await post(url, [type, ...(await signed(twilioSecret, form, [type], url))], form);
  assert.deepEqual([reply.status, reply.text], [200, "event"]);
});

test("fetch: a request that was read before is an error that says so", async () => {
  const POST = fetchWebhook(client, stripeSecret, () => new Response("no"));
  const request = new Request("http://localhost/", { method: "POST", body: "{}" });
  await request.text();
  await assert.rejects(POST(request), /in front of any body parser/);
});

test("what goes wrong without a hook is printed, without anything of the request", async (context) => {
  const print = context.mock.method(console, "error", () => {});
  const POST = fetchWebhook(nobody, stripeSecret, () => new Response("no"));
  const reply = await POST(new Request("http://localhost/", { method: "POST", body: "secret-body" }));
  assert.equal(reply.status, 503);
  const [line] = print.mock.calls.map((call) => String(call.arguments));
  assert.match(line ?? "", /countersign: no verdict: connect ECONNREFUSED/);
});
