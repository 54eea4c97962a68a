// The door of the SDK.

import { connect, CountersignError } from "../src/index.js";
import { identity, serve, type Answer, type Question } from "./lines.js";

const client = connect();

async function answer(question: Question): Promise<Answer> {
  try {
    return await ask(question);
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error;
    const { code, reason = null, violations } = error;
    return { error: { code, reason, fields: violations.map(({ field }) => field) } };
  }
}

async function ask({ rpc, secret, ...question }: Question): Promise<Answer> {
  if (rpc === "Sign") {
    const { hash = null, token = null, version } = await client.sign(secret, question.identity ?? {});
    return { hash, token, version: version.number, state: version.state };
  }
  if (rpc === "Verify") {
    const { hash, token } = question;
    const proof = hash !== undefined ? { hash } : token !== undefined ? { token } : undefined;
    const verdict = await client.verify(secret, question.claimed ?? {}, proof);
    const { decision, reason = null, version, trust, shield } = verdict;
    const [verified, claimed] = [identity(verdict.identity), identity(verdict.claimed)];
    return { decision, reason, ...used(version), trust, shield, verified, claimed };
  }
  const { headers = [], body = "", method, url } = question;
  const credentials = ["authorization"] as const;
  const verdict = await client.verifyWebhook(secret, headers.map(asNode), Buffer.from(body, "base64"), {
    method,
    url,
    credentials,
  });
  const { decision, reason = null, proven, provenFields, version, handshake } = verdict;
  const name = handshake?.name ?? null;
  return { decision, reason, ...used(version), proven, proven_fields: provenFields, handshake: name };
}

/** Node hands over each byte of a header as a character. */
function asNode([name, value]: [string, string]): [string, string] {
  return [name, Buffer.from(value).toString("latin1")];
}

function used(version?: { number: number; state: string }): Answer {
  return { version: version?.number ?? null, state: version?.state ?? null };
}

await serve(answer);
