import assert from "node:assert/strict";
import { createServer } from "node:http2";
import { test } from "node:test";
import { inspect } from "node:util";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { connect } from "../src/index.js";
import { AuditService, BackupService, CountersignService, Mode, SecretService } from "../src/v1.js";
import {
  address,
  client,
  dropping,
  failure,
  freezing,
  listening,
  nobody,
  pem,
  secret,
  server,
  signed,
  stripeDelivery,
  stripeSecret,
  tokenIn,
  variable,
} from "./support.js";

test("a signed identity verifies, and only the signed field of it is proven", async () => {
  const { hash, token, proof, version } = await client.sign("demo/chatwoot-identity", { id: "user-42" });
  assert.equal(token, undefined);
  assert.equal(proof, hash);
  assert.equal(version.state, "ACTIVE");
  const claimed = { id: "user-42", email: "ada@example.com" };
  const good = await client.verify("demo/chatwoot-identity", claimed, { hash: hash ?? "" });
  assert.deepEqual([good.verified, good.allowed, good.trust, good.shield], [true, true, "VERIFIED", "SET"]);
  assert.equal(good.identity?.id, "user-42");
  assert.equal(good.claimed?.email, "ada@example.com");
  const bad = await client.verify("demo/chatwoot-identity", { id: "mallory" }, { hash: hash ?? "" });
  assert.deepEqual([bad.verified, bad.allowed, bad.reason], [false, false, "SIGNATURE_MISMATCH"]);
  assert.equal(bad.identity, undefined);
});

test("a token carries its claims", async () => {
  const attributes = { plan: "pro", seats: 3, tags: ["a", null, { b: true }] };
  const { token, expireTime } = await client.sign("demo/kaltalk-token", { id: "u", attributes }, { ttlSecs: 60 });
  const inSecs = ((expireTime?.getTime() ?? 0) - Date.now()) / 1000;
  assert.ok(inSecs > 50 && inSecs < 62, String(inSecs));
  const verdict = await client.verify("demo/kaltalk-token", {}, { token: token ?? "" });
  assert.equal(verdict.verified, true);
  const { plan, seats, tags } = verdict.identity?.attributes ?? {};
  assert.deepEqual({ plan, seats, tags }, attributes);
  assert.ok(verdict.proofExpireTime);
});

test("where the mode allows a visitor without a proof, allowed is not verified", async () => {
  const name = await secret("chatwoot.identity", undefined, Mode.OPTIONAL);
  const verdict = await client.verify(name, { id: "u" });
  assert.deepEqual([verdict.allowed, verdict.verified, verdict.shield], [true, false, "KEEP"]);
  assert.equal(verdict.reason, "PROOF_MISSING");
});

test("a delivery made by Stripe's library is verified, and a changed one is not", async () => {
  const name = stripeSecret;
  const headers = stripeDelivery('{"id":"evt_1"}');
  const good = await client.verifyWebhook(name, headers, Buffer.from('{"id":"evt_1"}'));
  assert.deepEqual([good.verified, good.allowed, good.reason], [true, true, undefined]);
  assert.deepEqual(good.proven, ["BODY", "TIMESTAMP"]);
  assert.ok(Math.abs(good.ageSecs ?? 99) < 5);
  assert.ok(Math.abs((good.signedTime?.getTime() ?? 0) - Date.now()) < 5000);
  assert.deepEqual([good.version?.number, good.version?.state], [1, "ACTIVE"]);
  const bad = await client.verifyWebhook(name, headers, Buffer.from('{"id":"evt_2"}'));
  assert.deepEqual([bad.verified, bad.allowed, bad.reason], [false, false, "SIGNATURE_MISMATCH"]);
  const why = await client.explainWebhook(name, headers, Buffer.from('{ "id": "evt_1" }'));
  assert.equal(why.decision, "DENY");
  assert.equal(why.causes[0]?.code, "BODY_RESERIALISED");
  assert.ok(why.checks.some((check) => check.outcome === "FAIL"));
});

test("an identity is explained", async () => {
  const { proof } = await client.sign("demo/chatwoot-identity", { id: "user-42" });
  const why = await client.explain("demo/chatwoot-identity", { id: "USER-42" }, { hash: proof });
  assert.equal(why.causes[0]?.code, "IDENTIFIER_DIFFERS");
});

test("a body of 1 MiB and bytes that are no text go through as they are", async () => {
  const name = stripeSecret;
  const mebibyte = new Uint8Array(1024 * 1024).map((_, index) => index * 7);
  for (const body of [mebibyte, Uint8Array.of(0xff, 0xfe, 0x00, 0x80), new Uint8Array()]) {
    const headers = await signed(name, body);
    assert.equal((await client.verifyWebhook(name, headers, body)).verified, true, String(body.length));
    assert.equal((await client.verifyWebhook(name, headers, body.buffer)).verified, true, "as ArrayBuffer");
    const other = Uint8Array.of(...body.subarray(0, 3), 1);
    assert.equal((await client.verifyWebhook(name, headers, other)).verified, false);
  }
});

test("anything else than bytes is an error that says so", async () => {
  for (const body of ["{}", { id: 1 }, [1, 2], null, undefined, 5, new Uint16Array(2)]) {
    const error = await failure(client.verifyWebhook("demo/stripe-webhook", {}, body as never), "INVALID_ARGUMENT");
    assert.match(error.message, /raw bytes.*before any parser/);
    assert.deepEqual(error.violations[0]?.field, "body");
  }
});

test("a header that was given twice arrives twice", async () => {
  const name = stripeSecret;
  const [once] = stripeDelivery("{}");
  assert.ok(once);
  const twice = await client.verifyWebhook(name, [once, once], Buffer.from("{}"));
  assert.equal(twice.reason, "HEADER_AMBIGUOUS");
});

test("rotate with one request_id gives one version, and the key is shown in no log", async () => {
  const name = await secret("chatwoot.identity", undefined, Mode.REQUIRED);
  const requestId = crypto.randomUUID();
  const first = await client.rotate(name, { requestId, gracePeriodSecs: 3600 });
  const again = await client.rotate(name, { requestId, gracePeriodSecs: 3600 });
  assert.equal(first.version, 2);
  assert.ok(first.revealedKey);
  assert.deepEqual([again.version, again.revealedKey], [first.version, first.revealedKey]);
  for (const text of [inspect(first, { depth: 9 }), JSON.stringify({ ...first, secret: undefined })]) {
    assert.ok(!text.includes(first.revealedKey), text);
  }
  await failure(client.rotate(name, { requestId, emergency: true }), "ALREADY_EXISTS");
  await failure(client.rotate(name, { expectedVersion: 1 }), "ABORTED");
  await failure(client.rotate(name, { emergency: true, gracePeriodSecs: 1 }), "INVALID_ARGUMENT");
  const emergency = await client.rotate(name, { emergency: true });
  assert.equal(emergency.secret.versions.filter((version) => version.revokeTime).length, 2);
});

test("the SDK makes a request_id for the generated client too", async () => {
  const { version } = await client.stub(SecretService).createSecret({
    name: `sdk/${crypto.randomUUID()}`,
    scheme: "stripe.webhook",
  });
  assert.equal(version, 1);
});

test("errors have a code, a reason and the fields at fault, and nothing of the request", async () => {
  const unknown = await failure(client.sign("demo/no-such-secret", { id: "u" }), "NOT_FOUND");
  assert.equal(unknown.reason, "SECRET_NOT_FOUND");
  const field = await failure(client.sign("demo/chatwoot-identity", { id: "bell\x07-bell" }), "INVALID_ARGUMENT");
  assert.equal(field.reason, "FIELD_INVALID");
  assert.deepEqual(
    field.violations.map((violation) => violation.field),
    ["identity.id"],
  );
  for (const error of [unknown, field]) {
    for (const text of [inspect(error, { depth: 9, showHidden: true }), error.message]) {
      assert.ok(!text.includes("bell") && !text.includes("no-such-secret"), text);
    }
  }
});

test("values that would be sent as others are errors", async () => {
  for (const identity of [
    { id: 42 },
    { id: "half a pair \ud800" },
    { id: "u", attributes: { day: new Date() } },
    { id: "u", attributes: { plan: undefined } },
    { id: "u", attributes: { big: 2n ** 60n } },
    { id: "u", attributes: { deep: [() => 1] } },
  ]) {
    await failure(client.sign("demo/kaltalk-token", identity as never), "INVALID_ARGUMENT");
  }
  const raw = client.stub(CountersignService).sign({ secret: "a/b", ttl: { nanos: 0.5 } });
  const error = await failure(raw, "INVALID_ARGUMENT");
  assert.match(error.message, /SignRequest/);
  const both = { hash: "a", token: "b" } as never;
  await failure(client.verify("demo/chatwoot-identity", { id: "u" }, both), "INVALID_ARGUMENT");
});

test("a call ends at its deadline, and the server is told of it", async () => {
  const silent = connect(variable("TESTBED_SILENT_SERVER"), { deadlineMs: 200 });
  const start = performance.now();
  await failure(silent.sign("a/b", { id: "u" }), "DEADLINE_EXCEEDED");
  assert.ok(performance.now() - start < 1000);
  await failure(silent.sign("a/b", { id: "u" }, { deadlineMs: 50 }), "DEADLINE_EXCEEDED");
  await failure(() => connect(server, { deadlineMs: 0 }), "INVALID_ARGUMENT");
  await failure(client.sign("a/b", { id: "u" }, { deadlineMs: Number.NaN }), "INVALID_ARGUMENT");

  const told: (string | null)[] = [];
  const listener = connectNodeAdapter({
    routes: (router) =>
      router.service(CountersignService, {
        sign(_, context) {
          told.push(context.requestHeader.get("grpc-timeout"), context.requestHeader.get("countersign-call-id"));
          return { hash: "h", version: { number: 1, state: 2 } };
        },
      }),
  });
  const echo = createServer(listener);
  await listening(echo);
  await connect(address(echo)).sign("a/b", { id: "u" });
  const [timeout, callId] = told;
  const ms = Number(/^(\d+)m$/.exec(timeout ?? "")?.[1]);
  assert.ok(ms > 4000 && ms <= 5000, String(timeout));
  assert.match(callId ?? "", /^[0-9a-f-]{36}$/);
});

test("a signal cancels a call", async () => {
  const silent = connect(variable("TESTBED_SILENT_SERVER"));
  const start = performance.now();
  const call = silent.sign("a/b", { id: "u" }, { signal: AbortSignal.timeout(50) });
  await failure(call, "CANCELLED");
  assert.ok(performance.now() - start < 1000);
});

test("UNAVAILABLE is tried three times under one call id, and changes only with a request_id", async () => {
  const flaky = connect(variable("TESTBED_FLAKY_SERVER"));
  assert.ok((await flaky.sign("demo/chatwoot-identity", { id: "u" })).hash);
  assert.ok(await flaky.verify("demo/chatwoot-identity", { id: "u" }));
  assert.ok(await flaky.verifyWebhook("demo/stripe-webhook", {}, new Uint8Array()));
  assert.ok((await flaky.rotate("demo/intercom-identity")).version > 1);
  assert.ok((await flaky.stub(SecretService).listSecrets({})).secrets.length > 0);
  assert.ok((await flaky.stub(SecretService).getSecret({ name: "demo/stripe-webhook" })).secret);
  await failure(flaky.stub(SecretService).revokeVersion({ name: "demo/x", version: 1 }), "UNAVAILABLE");
  await failure(flaky.stub(CountersignService).batchVerify({ items: [] }), "UNAVAILABLE");
});

test("a connection that breaks in the middle is UNAVAILABLE, and the next attempt makes another", async () => {
  const twice = await dropping(2, server);
  assert.ok((await connect(twice).sign("demo/chatwoot-identity", { id: "u" })).hash);
  const always = await dropping(99, server);
  await failure(connect(always).sign("demo/chatwoot-identity", { id: "u" }), "UNAVAILABLE");
  await failure(nobody.sign("a/b", { id: "u" }), "UNAVAILABLE");
  await failure(connect("http://nowhere.invalid").sign("a/b", { id: "u" }), "UNAVAILABLE");
});

test("a connection that died in silence costs no answer", async () => {
  const { url, freeze } = await freezing(server);
  const patient = connect(url, { deadlineMs: 2400 });
  const sign = () => patient.sign("demo/chatwoot-identity", { id: "u" });
  await sign();
  freeze();
  assert.ok((await sign()).hash, "just used");
  freeze();
  await new Promise((resolve) => setTimeout(resolve, 700));
  assert.ok((await sign()).hash, "idle for long");
});

test("TLS: the CA, a token and a client certificate", async () => {
  const url = variable("TESTBED_TLS_SERVER");
  const ca = pem("TESTBED_CA");
  const token = tokenIn("TESTBED_TOKEN_FILE");
  const identity = { id: "u" };
  assert.ok((await connect(url, { ca, token }).sign("demo/chatwoot-identity", identity)).hash);
  const [cert, key] = [pem("TESTBED_CLIENT_CERT"), pem("TESTBED_CLIENT_KEY")];
  assert.ok((await connect(url, { ca, cert, key }).sign("demo/chatwoot-identity", identity)).hash);
  await failure(connect(url, { ca }).sign("demo/chatwoot-identity", identity), "UNAUTHENTICATED");
  await failure(connect(url, { token }).sign("demo/chatwoot-identity", identity), "UNAVAILABLE");
  const plain = url.replace("https", "http");
  await failure(connect(plain, { token }).sign("demo/chatwoot-identity", identity), "UNAVAILABLE");
  const reader = connect(url, { ca, token: tokenIn("TESTBED_READER_TOKEN_FILE") });
  assert.equal((await reader.verify("demo/chatwoot-identity", identity, { hash: "00" })).verified, false);
  const error = await failure(reader.sign("demo/chatwoot-identity", identity), "PERMISSION_DENIED");
  assert.equal(error.reason, "PERMISSION_DENIED");
});

test("TLS settings that cannot be used are errors of the constructor", async () => {
  const [ca, cert, key] = [pem("TESTBED_CA"), pem("TESTBED_CLIENT_CERT"), pem("TESTBED_CLIENT_KEY")];
  await failure(() => connect("http://localhost", { ca }), "INVALID_ARGUMENT");
  await failure(() => connect("https://localhost", { ca: "no PEM" }), "INVALID_ARGUMENT");
  await failure(() => connect("https://localhost", { cert }), "INVALID_ARGUMENT");
  await failure(() => connect("https://localhost", { cert: ca, key }), "INVALID_ARGUMENT");
});

test("a token goes over TLS or stays on this machine", async () => {
  for (const url of ["http://countersign.internal:50051", "http://10.0.0.1", "http://127.0.0.1.example.com"]) {
    const error = await failure(() => connect(url, { token: "correct-horse" }), "INVALID_ARGUMENT");
    assert.ok(!error.message.includes("horse"));
  }
  for (const url of ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "https://countersign.internal"]) {
    connect(url, { token: "correct-horse" });
  }
  for (const token of ["", "abc\n", "grün"]) {
    await failure(() => connect("https://localhost", { token }), "INVALID_ARGUMENT");
  }
  for (const url of [
    "127.0.0.1:50051",
    "ftp://localhost",
    "/path",
    "",
    "unix:/tmp/x",
    "https://u:p@localhost",
    "https://localhost?a=1",
  ]) {
    await failure(() => connect(url), "INVALID_ARGUMENT");
  }
});

test("no text of a client shows its token or key, nor that of a proof what it proves", async () => {
  const [ca, cert, key] = [pem("TESTBED_CA"), pem("TESTBED_CLIENT_CERT"), pem("TESTBED_CLIENT_KEY").toString()];
  const secretive = connect("https://localhost", { token: "correct-horse", ca, cert, key });
  const signed = await client.sign("demo/chatwoot-identity", { id: "u" });
  for (const value of [secretive, secretive.stub(CountersignService), signed]) {
    for (const text of [inspect(value, { depth: 20 }), JSON.stringify(value), String(value)]) {
      assert.ok(!text.includes("horse") && !text.includes("PRIVATE") && !text.includes(signed.proof), text);
    }
  }
});

test("what is not given the environment has", async () => {
  const before = { ...process.env };
  try {
    process.env.COUNTERSIGN_SERVER = variable("TESTBED_TLS_SERVER");
    process.env.COUNTERSIGN_TOKEN = tokenIn("TESTBED_TOKEN_FILE");
    const ca = pem("TESTBED_CA");
    assert.ok((await connect(undefined, { ca }).sign("demo/chatwoot-identity", { id: "u" })).hash);
    const named = connect(variable("TESTBED_TLS_SERVER"), { ca });
    assert.ok((await named.sign("demo/chatwoot-identity", { id: "u" })).hash);
    const reader = connect(undefined, { ca, token: tokenIn("TESTBED_READER_TOKEN_FILE") });
    await failure(reader.sign("demo/chatwoot-identity", { id: "u" }), "PERMISSION_DENIED");
    process.env.COUNTERSIGN_SERVER = "http://10.0.0.1";
    await failure(() => connect(), "INVALID_ARGUMENT");
  } finally {
    process.env = before;
  }
});

test("streams of the generated client come through, and end at the deadline if they do not begin", async () => {
  let bytes = 0;
  for await (const { data } of client.stub(BackupService).createBackup({})) bytes += data.length;
  assert.ok(bytes > 1000, String(bytes));
  assert.equal((await client.stub(AuditService).verifyAuditChain({})).intact, true);
  const late = connect(variable("TESTBED_SILENT_SERVER"), { deadlineMs: 100 });
  const begin = async () => {
    for await (const { data } of late.stub(BackupService).createBackup({})) assert.fail(`${data.length} bytes`);
  };
  await failure(begin, "DEADLINE_EXCEEDED");
  const cancelled = async () => {
    const patient = connect(variable("TESTBED_SILENT_SERVER")).stub(BackupService);
    const signal = AbortSignal.timeout(50);
    for await (const { data } of patient.createBackup({}, { signal })) assert.fail(`${data.length} bytes`);
  };
  await failure(cancelled, "CANCELLED");
});
