// The vendors' npm libraries behind JSON lines: {call, key, items} in, {results} out, in order.
import { createInterface } from "node:readline";
import * as octokit from "@octokit/webhooks-methods";
import { verifyWebhook as clerkVerify } from "@clerk/backend/webhooks";
import { signRequest, verifyRequest } from "@contentful/node-apps-toolkit/requests";
import { Crisp } from "crisp-api";
import { LinearWebhookClient } from "@linear/sdk/webhooks";
import { Paddle } from "@paddle/paddle-node-sdk";
import { validateEvent, WebhookVerificationError } from "@polar-sh/sdk/webhooks";
import "@shopify/shopify-api/adapters/web-api";
import { ApiVersion, LogSeverity, shopifyApi } from "@shopify/shopify-api";
import { verifyPlainWebhook } from "@team-plain/typescript-sdk";
import { AwsLambdaReceiver } from "@zoom/rivet/users";
import { Ajv } from "ajv";
import { validateWebhook as replicateValidate } from "replicate";
import { Resend } from "resend";

const text = (item) => Buffer.from(item.body, "base64").toString();
const request = (item) => new Request("https://hooks.example.com/", { method: "POST", headers: item.headers, body: text(item) });

const contentfulRequest = (item) => ({ method: item.method, path: item.path, headers: item.headers, body: text(item) });

// Plain's library compiles its JSON schema again for each delivery, 60 ms each time: here it is compiled once.
const compiled = new Map();
const { validate } = Ajv.prototype;
Ajv.prototype.validate = function (schema, data) {
  if (typeof schema !== "object") return validate.call(this, schema, data);
  if (!compiled.has(schema)) compiled.set(schema, this.compile(schema));
  return compiled.get(schema)(data);
};

const crisp = new Crisp();
const paddle = new Paddle("an api key");
const resend = new Resend("an api key");
const shopify = (key) =>
  shopifyApi({
    apiKey: "an api key",
    apiSecretKey: key,
    apiVersion: ApiVersion.July26,
    hostName: "hooks.example.com",
    isEmbeddedApp: true,
    logger: { level: LogSeverity.Error, log: () => {} },
  });

// Signing, by vendor: an item in, its signature out.
const sign = {
  github: (key, item) => octokit.sign(key, text(item)),
  contentful: (key, item) => signRequest(key, contentfulRequest(item), item.at_ms),
};

// Checking, by vendor: a key in, a check of an item out. A check that throws refuses.
const accept = {
  github: (key) => (item) => octokit.verify(key, text(item), item.headers["x-hub-signature-256"]),
  clerk: (key) => (item) => clerkVerify(request(item), { signingSecret: key }).then(() => true),
  contentful: (key) => (item) => verifyRequest(key, contentfulRequest(item)),
  crisp: (key) => (item) =>
    crisp.verifyWidget(
      key,
      JSON.parse(text(item)),
      item.headers["x-crisp-request-timestamp"],
      item.headers["x-crisp-signature"],
    ),
  linear: (key) => {
    const client = new LinearWebhookClient(key);
    return (item) => client.verify(Buffer.from(item.body, "base64"), item.headers["linear-signature"]);
  },
  paddle: (key) => (item) => paddle.webhooks.isSignatureValid(text(item), key, item.headers["paddle-signature"]),
  plain: (key) => (item) =>
    verifyPlainWebhook(text(item), item.headers["plain-request-signature"], key).error === undefined,
  // The event types of these deliveries are random: only the check of the signature counts.
  polar: (key) => (item) => {
    try {
      validateEvent(text(item), item.headers, key);
    } catch (error) {
      if (error instanceof WebhookVerificationError) return false;
    }
    return true;
  },
  replicate: (key) => (item) => replicateValidate({ headers: item.headers, body: text(item) }, key),
  resend: (key) => (item) => {
    const { "svix-id": id, "svix-timestamp": timestamp, "svix-signature": signature } = item.headers;
    resend.webhooks.verify({ payload: text(item), headers: { id, timestamp, signature }, webhookSecret: key });
    return true;
  },
  shopify: (key) => {
    const { webhooks } = shopify(key);
    return async (item) => (await webhooks.validate({ rawBody: text(item), rawRequest: request(item) })).valid;
  },
  zoom: (key) => {
    const handle = new AwsLambdaReceiver({ webhooksSecretToken: key }).start();
    return async (item) => (await handle({ body: text(item), headers: item.headers }, {})).statusCode === 200;
  },
};

// Answers to handshakes, by vendor: an item in, the body of the response out.
const respond = {
  zoom: (key) => {
    const handle = new AwsLambdaReceiver({ webhooksSecretToken: key }).start();
    return async (item) => (await handle({ body: text(item), headers: item.headers }, {})).body;
  },
};

const calls = {
  respond: ({ vendor, key, items }) => Promise.all(items.map(respond[vendor](key))),

  sign: ({ vendor, key, items }) => Promise.all(items.map((item) => sign[vendor](key, item))),
  async accept({ vendor, key, items }) {
    const check = accept[vendor](key);
    return Promise.all(items.map(async (item) => check(item)).map((verdict) => verdict.catch(() => false)));
  },
};

// The answers have standard output to themselves.
console.debug = console.log = console.error = () => {};
for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  const answer = await calls[question.call](question).then(
    (results) => ({ results }),
    (error) => ({ error: error.message }),
  );
  process.stdout.write(JSON.stringify(answer) + "\n");
}
