import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { client, server, stripeDelivery, stripeSecret } from "./support.js";

const doors = [
  ["door"],
  ["door_grpc_js", process.env.COUNTERSIGN_PROTO ?? ""],
  ["door_connect_web", "connect-json"],
  ["door_connect_web", "connect-binary"],
  ["door_connect_web", "grpc-web"],
];

async function through([name, argument]: string[], questions: object[]): Promise<unknown[]> {
  const program = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
  const child = spawn(process.execPath, [program, ...(argument ? [argument] : [])], {
    env: { ...process.env, COUNTERSIGN_SERVER: server },
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.end(questions.map((question) => `${JSON.stringify(question)}\n`).join(""));
  let text = "";
  for await (const chunk of child.stdout) text += String(chunk);
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
}

test("all doors give the same answers, in the order of the questions", async () => {
  const { proof: token } = await client.sign("demo/kaltalk-token", { id: "u", attributes: { k: [1, "x", null] } });
  const claimed = { id: "u", email: "e", name: "n", attributes: { k: [1, "x", null, { b: true }] } };
  const webhook = { rpc: "VerifyWebhook", secret: stripeSecret };
  const body = Buffer.from("{}").toString("base64");
  const questions = [
    { id: "1", ...webhook, headers: stripeDelivery("{}"), body },
    { id: "2", ...webhook, headers: stripeDelivery("{ }"), body, method: "POST", url: "https://example.com/" },
    { id: "3", ...webhook, headers: [["Stripe-Signature", "t=1,v1=grün"]], body },
    { id: "4", rpc: "Verify", secret: "demo/kaltalk-token", token },
    { id: "5", rpc: "Verify", secret: "demo/chatwoot-identity", claimed, hash: "00" },
    { id: "6", rpc: "Verify", secret: "demo/chatwoot-identity", claimed: { id: "u" } },
    { id: "7", rpc: "Sign", secret: "demo/chatwoot-identity", identity: { id: "u" } },
    { id: "8", rpc: "Sign", secret: "demo/chatwoot-identity", identity: { id: "\x07" } },
    { id: "9", rpc: "Sign", secret: "demo/nope", identity: { id: "u" } },
  ];
  const [first, ...others] = await Promise.all(doors.map((door) => through(door, questions)));
  assert.deepEqual(first?.[0], {
    id: "1",
    decision: "ALLOW",
    reason: null,
    version: 1,
    state: "ACTIVE",
    proven: ["BODY", "TIMESTAMP"],
    proven_fields: [],
    handshake: null,
  });
  assert.deepEqual(first?.[7], {
    id: "8",
    error: { code: "INVALID_ARGUMENT", reason: "FIELD_INVALID", fields: ["identity.id"] },
  });
  assert.equal(first?.length, questions.length);
  for (const [index, answers] of others.entries()) assert.deepEqual(answers, first, doors[index + 1]?.join(" "));
});
