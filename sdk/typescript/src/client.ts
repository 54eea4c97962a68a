// The client: what a backend asks of Countersign every day. Everything else is in the generated clients, see `stub`.

import type { DescService, JsonObject } from "@bufbuild/protobuf";
import { durationFromMs, type Duration } from "@bufbuild/protobuf/wkt";
import { createClient, type Client as Stub, type Transport } from "@connectrpc/connect";
import { invalid, unusable } from "./error.js";
import { CountersignService } from "./gen/countersign/v1/countersign_pb.js";
import { SecretService, type Secret } from "./gen/countersign/v1/secret_pb.js";
import { wireHeaders, type Credential, type HeadersLike } from "./headers.js";
import { guarded } from "./transport.js";
import {
  date,
  explanation,
  verdict,
  versionUse,
  webhookVerdict,
  type Explanation,
  type Verdict,
  type VersionUse,
  type WebhookVerdict,
} from "./verdict.js";

/** Settings of a single call. */
export interface CallOptions {
  /** Milliseconds that the call may take, retries included. */
  deadlineMs?: number;
  /** Cancels the call: it then fails with the code CANCELLED. */
  signal?: AbortSignal;
}

/** What of a delivery some schemes sign besides headers and body. */
export interface WebhookOptions extends CallOptions {
  /** The HTTP method. */
  method?: string;
  /** The public URL as registered with the vendor. */
  url?: string;
  /** Credentials to send too; `monday.webhook` needs "authorization". */
  credentials?: readonly Credential[];
}

/** Identity fields to sign or to check. */
export interface IdentityFields {
  id?: string;
  email?: string;
  name?: string;
  attributes?: JsonObject;
}

/** At most one proof. */
export type Proof = { hash: string; token?: never } | { token: string; hash?: never };

export interface SignOptions extends CallOptions {
  /** Of a token: seconds that it is valid; unset: the scheme's default. */
  ttlSecs?: number;
}

/** A proof vouches for a user, so `hash`, `token` and `proof` show neither in a log nor in JSON. */
export interface Signed {
  /** Of an identity hash secret. */
  hash?: string;
  /** Of an identity token secret. */
  token?: string;
  /** The hash or the token, to hand to the user's browser. */
  proof: string;
  /** The version that signed. */
  version: VersionUse;
  /** When the proof stops being accepted by age. */
  expireTime?: Date;
}

export interface RotateOptions extends CallOptions {
  /** Repeat a rotation whose answer was lost with the same id. Made if not given. */
  requestId?: string;
  /** Seconds that the version which is ACTIVE now goes on verifying, at most 30 days; unset: 24 hours. */
  gracePeriodSecs?: number;
  /** Every older version is dead when this returns. */
  emergency?: boolean;
  /** The new key as the vendor shows it; unset: one is generated. */
  importedKey?: string;
  /** The number of the ACTIVE version that you saw; another one is ABORTED. */
  expectedVersion?: number;
  /** The new version verifies and does not sign until it is activated. */
  stage?: boolean;
  /** Change nothing and reveal no key. */
  validateOnly?: boolean;
  /** The vendor's id of the new key. */
  keyId?: string;
}

/** A rotated secret. `revealedKey` shows neither in a log nor in JSON. */
export interface Rotated {
  secret: Secret;
  /** Number of the new version. */
  version: number;
  /** The generated key, shown this once. */
  revealedKey?: string;
}

/**
 * A client over any transport of Connect; `connect` makes one for an address. Cheap, and to be shared.
 *
 * Every method fails with a CountersignError if there is no answer. A refused proof is an answer.
 */
export class Client {
  readonly #transport: Transport;

  constructor(transport: Transport, options: { deadlineMs?: number } = {}) {
    this.#transport = guarded(transport, options.deadlineMs);
  }

  /** The generated client of a service of `@countersign/client/v1`, with this client's token, deadline and retries. */
  stub<S extends DescService>(service: S): Stub<S> {
    return createClient(service, this.#transport);
  }

  /**
   * Checks a webhook delivery: the headers and the raw bytes of the body as they came off the socket, before any
   * parser. `HeadersLike` says which headers may be given.
   */
  async verifyWebhook(
    secret: string,
    headers: HeadersLike,
    body: Uint8Array | ArrayBuffer,
    options: WebhookOptions = {},
  ): Promise<WebhookVerdict> {
    const request = delivery(secret, headers, body, options);
    return webhookVerdict(await this.stub(CountersignService).verifyWebhook(request, call(options)));
  }

  /** Checks an identity: what the visitor claims, and the proof sent along, if any. */
  async verify(secret: string, claimed: IdentityFields, proof?: Proof, options?: CallOptions): Promise<Verdict> {
    return verdict(await this.stub(CountersignService).verify(claim(secret, claimed, proof), call(options)));
  }

  /** Vouches for a user: a hash or a token, by the purpose of the secret. Never from a browser. */
  async sign(secret: string, identity: IdentityFields, options: SignOptions = {}): Promise<Signed> {
    const answer = await this.stub(CountersignService).sign(
      {
        secret,
        input: { case: "identity", value: fields("identity", identity) },
        ttl: duration(options.ttlSecs, "ttlSecs"),
      },
      call(options),
    );
    const version = versionUse(answer.version);
    if (version === undefined || (answer.hash === "") === (answer.token === "")) throw unusable("no usable proof");
    const proof = answer.hash || answer.token;
    const [hash, token] = [answer.hash || undefined, answer.token || undefined];
    return withheld({ version, expireTime: date(answer.expireTime) }, { hash, token, proof });
  }

  /** Makes a new version of a secret, which signs at once unless staged. */
  async rotate(name: string, options: RotateOptions = {}): Promise<Rotated> {
    const { gracePeriodSecs, emergency, deadlineMs, signal, ...rest } = options;
    if (emergency && gracePeriodSecs !== undefined) throw invalid("emergency", "excludes gracePeriodSecs");
    const grace = duration(gracePeriodSecs, "gracePeriodSecs");
    const answer = await this.stub(SecretService).rotateSecret(
      {
        ...rest,
        name,
        ending: emergency ? { case: "emergency", value: true } : grace && { case: "gracePeriod", value: grace },
      },
      call({ deadlineMs, signal }),
    );
    const { secret, version } = answer;
    if (secret === undefined) throw unusable("no secret");
    return withheld({ secret, version }, { revealedKey: answer.revealedKey || undefined });
  }

  /** Says why a webhook delivery is refused and what to change, for a person who repairs an integration. */
  async explainWebhook(
    secret: string,
    headers: HeadersLike,
    body: Uint8Array | ArrayBuffer,
    options: WebhookOptions = {},
  ): Promise<Explanation> {
    const value = delivery(secret, headers, body, options);
    const answer = await this.stub(CountersignService).explain({ check: { case: "webhook", value } }, call(options));
    return explanation(answer);
  }

  /** Says why an identity is not proven and what to change. */
  async explain(secret: string, claimed: IdentityFields, proof?: Proof, options?: CallOptions): Promise<Explanation> {
    const value = claim(secret, claimed, proof);
    const answer = await this.stub(CountersignService).explain({ check: { case: "verify", value } }, call(options));
    return explanation(answer);
  }
}

function delivery(secret: string, headers: HeadersLike, body: unknown, options: WebhookOptions) {
  return {
    secret,
    headers: wireHeaders(headers, options.credentials),
    payload: { case: "body", value: rawBytes(body) } as const,
    method: options.method ?? "",
    url: options.url ?? "",
  };
}

function claim(secret: string, claimed: IdentityFields, proof?: Proof) {
  if (proof?.hash !== undefined && proof.token !== undefined) throw invalid("proof", "is a hash or a token, not both");
  const sent =
    proof?.hash !== undefined
      ? ({ case: "hash", value: proof.hash } as const)
      : proof?.token !== undefined
        ? ({ case: "token", value: proof.token } as const)
        : undefined;
  return { secret, claimed: fields("claimed", claimed), proof: sent };
}

function fields(at: string, { id = "", email = "", name = "", attributes }: IdentityFields) {
  for (const [field, value] of Object.entries({ id, email, name })) {
    // Many databases have numbers for ids; which text was meant is not for us to say.
    if (typeof value !== "string")
      throw invalid(`${at}.${field}`, `is not a string but a ${typeof value}: convert it first`);
    // The encoder would put another character in its place, and another user would be vouched for.
    if (!value.isWellFormed()) throw invalid(`${at}.${field}`, "has half of a surrogate pair and is no Unicode text");
  }
  if (!isJson(attributes ?? {})) throw invalid(`${at}.attributes`, "holds something that is no JSON value");
  return { id, email, name, attributes };
}

/** The encoder takes a Date for an empty object, and a function or undefined for null. */
function isJson(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isJson);
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return value === null || /string|boolean/.test(typeof value);
  const prototype = Object.getPrototypeOf(value) as unknown;
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
  return isPlain && Object.values(value).every(isJson);
}

/** A view of the bytes, which may come from another realm, such as that of a test runner. */
function rawBytes(body: unknown): Uint8Array<ArrayBuffer> {
  const kind = Object.prototype.toString.call(body);
  if (kind === "[object Uint8Array]") {
    const { buffer, byteOffset, byteLength } = body as Uint8Array<ArrayBuffer>;
    return new Uint8Array(buffer, byteOffset, byteLength);
  }
  if (kind === "[object ArrayBuffer]") return new Uint8Array(body as ArrayBuffer);
  throw invalid(
    "body",
    `is not the raw bytes of the request but ${typeof body === "string" ? "text" : "a parsed value"}: ` +
      "read it as a Buffer, Uint8Array or ArrayBuffer before any parser; printing it again does not bring the bytes back",
  );
}

function duration(secs: number | undefined, field: string): Duration | undefined {
  if (secs === undefined) return undefined;
  if (!Number.isFinite(secs)) throw invalid(field, "is not a number of seconds");
  return durationFromMs(Math.round(secs * 1000));
}

function call(options: CallOptions = {}) {
  return { timeoutMs: options.deadlineMs, signal: options.signal };
}

/** Adds fields that no logger and no JSON text shows. */
function withheld<T extends object, S extends object>(shown: T, secrets: S): T & S {
  for (const [name, value] of Object.entries(secrets)) {
    Object.defineProperty(shown, name, { value, enumerable: false });
  }
  return shown as T & S;
}
