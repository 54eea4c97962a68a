// Verdicts as plain objects with names for numbers. An answer that is not understood, or that lacks a part, is an error:
// it must never read as one that allows.

import type { JsonObject } from "@bufbuild/protobuf";
import { timestampDate, type Duration, type Timestamp } from "@bufbuild/protobuf/wkt";
import { unusable } from "./error.js";
import {
  CauseCode,
  CheckOutcome,
  Decision,
  ProvenPart,
  Reason,
  Replay,
  Shield,
  Trust,
  VersionState,
  type ExplainResponse,
  type Handshake as WireHandshake,
  type Identity as WireIdentity,
  type VerifyResponse,
  type VerifyWebhookResponse,
  type VersionUse as WireVersionUse,
} from "./gen/countersign/v1/countersign_pb.js";

/** The names of an enum of the proto, without their prefix. */
export type Names<E> = Exclude<keyof E, "UNSPECIFIED">;

/** Why a proof was not accepted; "UNRECOGNIZED" of a newer service is a refusal all the same. */
export type ReasonName = Names<typeof Reason> | "UNRECOGNIZED";

/** The identity fields of a chat user. An empty text is a field that is not there. */
export interface Identity {
  /** The user's stable id in the host application. */
  id: string;
  email: string;
  /** The user's display name. */
  name: string;
  /** Further fields; of a token, the remaining claims. */
  attributes?: JsonObject;
}

/** Which version of a secret was used. */
export interface VersionUse {
  /** From 1. */
  number: number;
  /** Its state when it was used. */
  state: Names<typeof VersionState>;
  /** When it stops verifying; only of a version in GRACE. */
  graceEndTime?: Date;
}

/** The verdict on an identity. */
export interface Verdict {
  /** Whether the identity was proven. An allowed request need not be. */
  verified: boolean;
  /** Whether the mode of the secret lets the request go on, proven or not. */
  allowed: boolean;
  decision: Names<typeof Decision>;
  trust: Names<typeof Trust>;
  /** What to do with an earlier verified flag on the record. */
  shield: Names<typeof Shield>;
  /** Why the proof was not accepted; undefined when it was, or when nothing was checked. */
  reason?: ReasonName;
  /** Just the fields that the proof covers (the proto's `verified`); undefined unless the proof holds. */
  identity?: Identity;
  /** What was claimed and not proven. */
  claimed?: Identity;
  /** The version that verified. */
  version?: VersionUse;
  /** When the proof itself ends. */
  proofExpireTime?: Date;
}

/** The verdict on a webhook delivery. */
export interface WebhookVerdict {
  /** Whether the delivery is genuine. With a `handshake` it is no event all the same. */
  verified: boolean;
  /** Whether it is a genuine event, and no handshake. */
  isEvent: boolean;
  /** The same as verified: a webhook secret has no mode. */
  allowed: boolean;
  decision: Names<typeof Decision>;
  /** Why it was refused. */
  reason?: ReasonName;
  /** When the delivery says that it was signed, if the signature covers it. */
  signedTime?: Date;
  /** Seconds since then; below 0 when the sender's clock is ahead. */
  ageSecs?: number;
  /** The vendor's delivery id. See `proven` for whether the signature covers it. */
  deliveryId?: string;
  /** What the signature really covers. Nothing else of the request is proven. */
  proven: Names<typeof ProvenPart>[];
  /** Single fields that it covers besides, such as "query:data.id". */
  provenFields: string[];
  /** Whether this delivery was seen before; undefined on a refusal before that was looked at. */
  replay?: Names<typeof Replay>;
  /** The version that verified; undefined on a refusal. */
  version?: VersionUse;
  /** Set when this is no event but the vendor's question whether the endpoint is yours: send this response. */
  handshake?: Handshake;
}

/** The HTTP response that a vendor's handshake wants. */
export interface Handshake {
  name: string;
  status: number;
  headers: [name: string, value: string][];
  body: Uint8Array;
}

/** Why a check ends as it does. */
export interface Explanation {
  decision: Names<typeof Decision>;
  reason?: ReasonName;
  /** The steps of the check in their order. */
  checks: { name: string; outcome: Names<typeof CheckOutcome> | "UNRECOGNIZED"; detail: string }[];
  /** What may have gone wrong, the likeliest first. */
  causes: { code: Names<typeof CauseCode> | "UNRECOGNIZED"; summary: string; fix: string }[];
}

export function verdict(wire: VerifyResponse): Verdict {
  const decision = required(Decision, wire.decision, "decision");
  const trust = required(Trust, wire.trust, "trust");
  if (trust === "VERIFIED" && wire.verified === undefined) throw unusable("no verified identity");
  const verified = decision === "ALLOW" && trust === "VERIFIED";
  return {
    verified,
    allowed: decision === "ALLOW",
    decision,
    trust,
    shield: required(Shield, wire.shield, "shield"),
    reason: recognized(Reason, wire.reason),
    identity: verified ? identity(wire.verified) : undefined,
    claimed: identity(wire.claimed),
    version: versionUse(wire.version),
    proofExpireTime: date(wire.proofExpireTime),
  };
}

export function webhookVerdict(wire: VerifyWebhookResponse): WebhookVerdict {
  const decision = required(Decision, wire.decision, "decision");
  const verified = decision === "ALLOW";
  return {
    verified,
    isEvent: verified && wire.handshake === undefined,
    allowed: verified,
    decision,
    reason: recognized(Reason, wire.reason),
    signedTime: date(wire.signedTime),
    ageSecs: seconds(wire.age),
    deliveryId: wire.deliveryId || undefined,
    proven: wire.proven.map((part) => required(ProvenPart, part, "proven part")),
    provenFields: wire.provenFields,
    replay: named(Replay, wire.replay, "replay"),
    version: versionUse(wire.version),
    handshake: wire.handshake && handshake(wire.handshake),
  };
}

export function explanation(wire: ExplainResponse): Explanation {
  return {
    decision: required(Decision, wire.decision, "decision"),
    reason: recognized(Reason, wire.reason),
    checks: wire.checks.map(({ name, outcome, detail }) => {
      return { name, outcome: recognized(CheckOutcome, outcome) ?? "UNRECOGNIZED", detail };
    }),
    causes: wire.causes.map(({ code, summary, fix }) => {
      return { code: recognized(CauseCode, code) ?? "UNRECOGNIZED", summary, fix };
    }),
  };
}

export function versionUse(wire?: WireVersionUse): VersionUse | undefined {
  if (wire === undefined) return undefined;
  const state = required(VersionState, wire.state, "state of a version");
  return { number: wire.number, state, graceEndTime: date(wire.graceEndTime) };
}

export function date(wire?: Timestamp): Date | undefined {
  return wire && timestampDate(wire);
}

type WireEnum = Record<string, string | number>;

/** The name of a number; undefined for "unspecified". */
function named<E extends WireEnum>(values: E, number: number, what: string): Names<E> | undefined {
  const name = values[number];
  if (name === undefined) throw unusable(`an unknown ${what} (${number})`);
  return name === "UNSPECIFIED" ? undefined : (name as Names<E>);
}

function required<E extends WireEnum>(values: E, number: number, what: string): Names<E> {
  const name = named(values, number, what);
  if (name === undefined) throw unusable(`no ${what}`);
  return name;
}

/** For numbers that decide nothing. */
function recognized<E extends WireEnum>(values: E, number: number): Names<E> | "UNRECOGNIZED" | undefined {
  return number in values ? named(values, number, "") : "UNRECOGNIZED";
}

function identity(wire?: WireIdentity): Identity | undefined {
  if (wire === undefined) return undefined;
  const { id, email, name, attributes } = wire;
  return { id, email, name, attributes };
}

function handshake({ name, status, headers, body }: WireHandshake): Handshake {
  if (status < 200 || status > 599) throw unusable("no usable handshake");
  return { name, status, headers: headers.map((header) => [header.name, header.value]), body };
}

function seconds(wire?: Duration): number | undefined {
  return wire && Number(wire.seconds) + wire.nanos / 1e9;
}
