// Answers that no server of today gives, from a server in this process.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { createRouterTransport } from "@connectrpc/connect";
import { Client, CountersignError } from "../src/index.js";
import {
  CountersignService,
  Decision,
  Reason,
  Shield,
  Trust,
  VersionState,
  type SignResponseSchema,
  type VerifyResponseSchema,
  type VerifyWebhookResponseSchema,
} from "../src/v1.js";

interface Answers {
  verify?: MessageInitShape<typeof VerifyResponseSchema>;
  webhook?: MessageInitShape<typeof VerifyWebhookResponseSchema>;
  sign?: MessageInitShape<typeof SignResponseSchema>;
}

function answering({ verify = {}, webhook = {}, sign = {} }: Answers): Client {
  const service = { verify: () => verify, verifyWebhook: () => webhook, sign: () => sign };
  return new Client(createRouterTransport((router) => void router.service(CountersignService, service)));
}

const verify = (answer: Answers["verify"]) => answering({ verify: answer }).verify("a/b", {});
const webhook = (answer: Answers["webhook"]) =>
  answering({ webhook: answer }).verifyWebhook("a/b", [], new Uint8Array());

const proven = { decision: Decision.ALLOW, trust: Trust.VERIFIED, shield: Shield.SET, verified: { id: "u1" } };
const unusable = (error: unknown) => error instanceof CountersignError && error.code === "INTERNAL";

test("a proven identity is verified", async () => {
  const verdict = await verify(proven);
  assert.deepEqual([verdict.verified, verdict.allowed, verdict.identity?.id], [true, true, "u1"]);
});

test("a number of an unknown meaning is no verdict", async () => {
  for (const spoiled of [{ decision: 77 }, { trust: 77 }, { shield: 77 }, { version: { number: 1, state: 77 } }]) {
    await assert.rejects(verify({ ...proven, ...spoiled }), unusable, JSON.stringify(spoiled));
  }
  for (const spoiled of [{ decision: 77 }, { proven: [99] }, { proven: [0] }, { replay: 99 }]) {
    await assert.rejects(webhook({ decision: Decision.ALLOW, ...spoiled }), unusable, JSON.stringify(spoiled));
  }
});

test("an answer that lacks a part is no verdict", async () => {
  await assert.rejects(verify({}), unusable);
  await assert.rejects(webhook({}), unusable);
  for (const part of ["decision", "trust", "shield", "verified"]) {
    await assert.rejects(verify({ ...proven, [part]: undefined }), unusable, part);
  }
});

test("only an allowed and proven identity is verified", async () => {
  const denied = await verify({ ...proven, decision: Decision.DENY });
  assert.deepEqual([denied.verified, denied.allowed, denied.identity], [false, false, undefined]);
  const unproven = await verify({ ...proven, trust: Trust.UNVERIFIED });
  assert.deepEqual([unproven.verified, unproven.allowed, unproven.identity], [false, true, undefined]);
  const unchecked = await verify({ ...proven, trust: Trust.NOT_CHECKED });
  assert.deepEqual([unchecked.verified, unchecked.allowed], [false, true]);
});

test("a refusal for an unknown reason is a refusal", async () => {
  const verdict = await webhook({ decision: Decision.DENY, reason: 77 as Reason });
  assert.deepEqual([verdict.verified, verdict.reason], [false, "UNRECOGNIZED"]);
});

test("a handshake with a status that HTTP does not know is no verdict", async () => {
  const handshake = { name: "h", status: 42 };
  await assert.rejects(webhook({ decision: Decision.DENY, handshake }), unusable);
});

test("a proof that is none, or two, is an error", async () => {
  const version = { number: 1, state: VersionState.ACTIVE };
  for (const sign of [{ version }, { version, hash: "a", token: "b" }, { hash: "a" }]) {
    await assert.rejects(answering({ sign }).sign("a/b", {}), unusable);
  }
});
