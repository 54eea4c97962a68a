import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { build } from "esbuild";
import { connect, CountersignError, type TransportFactory } from "../src/web.js";
import { SecretService } from "../src/v1.js";
import { address, dropping, failure, listening, server, signed, stripeDelivery, stripeSecret } from "./support.js";

const transports: Record<string, TransportFactory> = {
  "Connect JSON": createConnectTransport,
  "Connect binary": (options) => createConnectTransport({ ...options, useBinaryFormat: true }),
  "gRPC-Web": createGrpcWebTransport,
};

for (const [name, transport] of Object.entries(transports)) {
  test(`${name}: verdicts, proofs and errors are those of gRPC`, async () => {
    const client = connect(server, transport);
    const body = Uint8Array.of(0xff, 0xfe, 0x00, 0x80);
    const good = await client.verifyWebhook(stripeSecret, await signed(stripeSecret, body), body);
    assert.deepEqual([good.verified, good.proven, good.version?.state], [true, ["BODY", "TIMESTAMP"], "ACTIVE"]);
    const bad = await client.verifyWebhook(stripeSecret, stripeDelivery("{}"), Buffer.from("{ }"));
    assert.deepEqual([bad.verified, bad.reason], [false, "SIGNATURE_MISMATCH"]);
    const attributes = { tags: ["a", null, { b: 1.5 }] };
    const { proof } = await client.sign("demo/kaltalk-token", { id: "u", attributes });
    const verdict = await client.verify("demo/kaltalk-token", {}, { token: proof });
    assert.deepEqual(verdict.identity?.attributes?.tags, attributes.tags);
    const unknown = await failure(client.sign("demo/nope", { id: "u" }), "NOT_FOUND");
    assert.equal(unknown.reason, "SECRET_NOT_FOUND");
    const field = await failure(client.sign("demo/chatwoot-identity", { id: "\x07" }), "INVALID_ARGUMENT");
    assert.deepEqual([field.reason, field.violations[0]?.field], ["FIELD_INVALID", "identity.id"]);
    assert.ok((await client.stub(SecretService).listSecrets({})).secrets.length > 0);
  });

  test(`${name}: a body of 1 MiB goes through`, async () => {
    const body = new Uint8Array(1024 * 1024).map((_, index) => index * 7);
    const verdict = await connect(server, transport).verifyWebhook(
      stripeSecret,
      await signed(stripeSecret, body),
      body,
    );
    assert.equal(verdict.verified, true);
  });

  test(`${name}: deadlines, cancellation and outages`, async () => {
    const silent = connect(address(await listening(createServer(() => {}))), transport, { deadlineMs: 200 });
    const start = performance.now();
    await failure(silent.sign("a/b", { id: "u" }), "DEADLINE_EXCEEDED");
    await failure(silent.sign("a/b", { id: "u" }, { signal: AbortSignal.timeout(50) }), "CANCELLED");
    assert.ok(performance.now() - start < 2000);
    await failure(connect("http://127.0.0.1:1", transport).sign("a/b", { id: "u" }), "UNAVAILABLE");
    const twice = connect(await dropping(2, server), transport);
    assert.ok((await twice.sign("demo/chatwoot-identity", { id: "u" })).hash);
  });

  test(`${name}: the token is sent, and over TLS or to this machine alone`, async () => {
    const seen: (string | null)[] = [];
    const spying: TransportFactory = (options) =>
      transport({
        ...options,
        interceptors: [
          ...options.interceptors,
          (next) => (call) => (seen.push(call.header.get("authorization")), next(call)),
        ],
      });
    await connect(server, spying, { token: "correct-horse" }).sign("demo/chatwoot-identity", { id: "u" });
    assert.deepEqual(seen, ["Bearer correct-horse"]);
    assert.throws(() => connect("http://10.0.0.1", spying, { token: "correct-horse" }), CountersignError);
  });
}

test("the entries for browsers and edge runtimes need nothing of Node's", async () => {
  const bundle = (contents: string) =>
    build({
      stdin: { contents, resolveDir: fileURLToPath(new URL("../src", import.meta.url)) },
      bundle: true,
      write: false,
      platform: "browser",
      format: "iife",
      globalName: "sdk",
      logLevel: "silent",
    });
  const { outputFiles } = await bundle(`
    export * from "./web.js";
    export * from "./v1.js";
    export * from "./fetch.js";
    export { createConnectTransport } from "@connectrpc/connect-web";
  `);
  await assert.rejects(bundle('export * from "./index.js"'), /node:/, "the entry for Node would not pass");

  const [headers, body] = [stripeDelivery("{}"), "{}"];
  const page = createContext({ ...web, server, stripeSecret, headers, body });
  const script = `${outputFiles[0]?.text}
    const client = sdk.connect(server, sdk.createConnectTransport);
    const POST = sdk.webhook(client, stripeSecret, async (request) => new Response(await request.text()));
    const bytes = new TextEncoder().encode(body);
    Promise.all([
      client.verifyWebhook(stripeSecret, headers, bytes).then((verdict) => verdict.verified),
      client.verifyWebhook(stripeSecret, headers, bytes.buffer).then((verdict) => verdict.verified),
      POST(new Request("https://edge.example/", { method: "POST", headers, body })).then((reply) => reply.text()),
    ]);`;
  assert.deepEqual([...(await (runInContext(script, page) as Promise<unknown[]>))], [true, true, "{}"]);
});

/** What a page has and a script of Node's `vm` has not. */
const web = {
  ...{ AbortController, AbortSignal, Headers, Request, Response, URL, crypto, fetch, performance },
  ...{ TextDecoder, TextEncoder, clearTimeout, setTimeout },
};
