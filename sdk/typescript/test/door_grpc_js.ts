// A door without the SDK and without generated code: grpc-js, which reads the proto when it starts. The folder of the
// proto is the argument, or the one of this repository.

import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { identity, serve, type Answer, type IdentityQuestion, type Question } from "./lines.js";

type Method = (
  request: object,
  metadata: grpc.Metadata,
  options: grpc.CallOptions,
  done: (error: grpc.ServiceError | null, answer?: Reply) => void,
) => void;

/** An answer as the proto spells it, with names for enums. */
interface Reply {
  decision: string;
  reason: string;
  trust: string;
  shield: string;
  hash: string;
  token: string;
  version: { number: number; state: string } | null;
  verified: WireIdentity | null;
  claimed: WireIdentity | null;
  proven: string[];
  proven_fields: string[];
  handshake: { name: string } | null;
}

type WireIdentity = Omit<IdentityQuestion, "attributes"> & { attributes: WireStruct | null };
type WireStruct = { fields: Record<string, WireValue> };
type WireValue = { kind?: string; [kind: string]: unknown };

const folder = process.argv[2] ?? new URL("../../../../proto", import.meta.url).pathname;
const { COUNTERSIGN_SERVER = "http://127.0.0.1:50051", COUNTERSIGN_TOKEN } = process.env;
const loaded = loadSync("countersign/v1/countersign.proto", {
  includeDirs: [folder],
  keepCase: true,
  enums: String,
  defaults: true,
  oneofs: true,
});
const { countersign } = grpc.loadPackageDefinition(loaded) as unknown as {
  countersign: { v1: { CountersignService: grpc.ServiceClientConstructor } };
};
const server = new URL(COUNTERSIGN_SERVER);
const credentials = server.protocol === "https:" ? grpc.credentials.createSsl() : grpc.credentials.createInsecure();
const service = new countersign.v1.CountersignService(server.host, credentials);

function call(method: string, request: object): Promise<Reply> {
  const metadata = new grpc.Metadata();
  if (COUNTERSIGN_TOKEN) metadata.set("authorization", `Bearer ${COUNTERSIGN_TOKEN}`);
  return new Promise((resolve, reject) => {
    const run = (service[method] as unknown as Method).bind(service);
    run(request, metadata, { deadline: Date.now() + 5000 }, (error, reply) => {
      if (error !== null || reply === undefined) reject(error ?? new Error("no answer"));
      else resolve(reply);
    });
  });
}

async function answer(question: Question): Promise<Answer> {
  try {
    return await ask(question);
  } catch (error) {
    if (!(error instanceof Error && "metadata" in error)) throw error;
    return { error: failure(error as grpc.ServiceError) };
  }
}

async function ask({ rpc, secret, headers, body = "", method, url, claimed, hash, token, ...rest }: Question) {
  if (rpc === "Sign") {
    const reply = await call("Sign", { secret, identity: toWire(rest.identity ?? {}) });
    return { hash: reply.hash || null, token: reply.token || null, ...used(reply) };
  }
  if (rpc === "Verify") {
    const proof = hash !== undefined ? { hash } : token !== undefined ? { token } : {};
    const reply = await call("Verify", { secret, claimed: claimed && toWire(claimed), ...proof });
    return {
      ...verdict(reply),
      trust: bare(reply.trust, "TRUST_"),
      shield: bare(reply.shield, "SHIELD_"),
      verified: fromWire(reply.verified),
      claimed: fromWire(reply.claimed),
    };
  }
  const pairs = headers?.map(([name, value]) => ({ name, value }));
  const delivery = { secret, headers: pairs, body: Buffer.from(body, "base64"), method, url };
  const reply = await call("VerifyWebhook", delivery);
  return {
    ...verdict(reply),
    proven: reply.proven.map((part) => bare(part, "PROVEN_PART_")),
    proven_fields: reply.proven_fields,
    handshake: reply.handshake?.name ?? null,
  };
}

function verdict(reply: Reply): Answer {
  const reason = bare(reply.reason, "REASON_");
  return {
    decision: bare(reply.decision, "DECISION_"),
    reason: reason === "UNSPECIFIED" ? null : reason,
    ...used(reply),
  };
}

function used({ version }: Reply): Answer {
  return { version: version?.number ?? null, state: version ? bare(version.state, "VERSION_STATE_") : null };
}

function bare(name: string, prefix: string): string {
  return name.startsWith(prefix) ? name.slice(prefix.length) : name;
}

function toWire({ attributes, ...fields }: IdentityQuestion): WireIdentity {
  return { ...fields, attributes: attributes === undefined ? null : struct(attributes) };
}

function fromWire(wire: WireIdentity | null): Answer | null {
  if (wire === null) return null;
  return identity({ ...wire, attributes: wire.attributes === null ? undefined : object(wire.attributes) });
}

function struct(fields: JsonObject): WireStruct {
  return { fields: Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, wireValue(value)])) };
}

function wireValue(value: JsonValue): WireValue {
  if (value === null) return { nullValue: 0 };
  if (Array.isArray(value)) return { listValue: { values: value.map(wireValue) } };
  if (typeof value === "object") return { structValue: struct(value) };
  return { [`${typeof value === "boolean" ? "bool" : typeof value}Value`]: value };
}

function object({ fields }: WireStruct): JsonObject {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, jsonValue(value)]));
}

function jsonValue(value: WireValue): JsonValue {
  const inner = value[value.kind ?? "nullValue"];
  if (value.kind === "listValue") return (inner as { values: WireValue[] }).values.map(jsonValue);
  if (value.kind === "structValue") return object(inner as WireStruct);
  return value.kind === "nullValue" ? null : (inner as JsonValue);
}

/** google.rpc.Status has its details in field 3, Any its type in 1 and its value in 2. */
function failure(error: grpc.ServiceError): Answer {
  const [status] = error.metadata.get("grpc-status-details-bin");
  const details = (texts(status as Buffer | undefined).get(3) ?? []).map((any) => texts(any));
  const values = (type: string) =>
    details
      .filter((any) => String(any.get(1)?.[0]).endsWith(`/google.rpc.${type}`))
      .map((any) => texts(any.get(2)?.[0]));
  const reason = values("ErrorInfo")[0]?.get(1)?.[0];
  const violations = values("BadRequest").flatMap((bad) => bad.get(1) ?? []);
  const fields = violations.map((violation) => String(texts(violation).get(1)?.[0] ?? ""));
  return { code: grpc.status[error.code], reason: reason ? String(reason) : null, fields };
}

/** The fields of a message that have a length: texts, bytes and messages. */
function texts(message?: Uint8Array): Map<number, Buffer[]> {
  const found = new Map<number, Buffer[]>();
  const reader = new BinaryReader(message ?? new Uint8Array());
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (type === WireType.LengthDelimited) {
      found.set(number, [...(found.get(number) ?? []), Buffer.from(reader.bytes())]);
    } else {
      reader.skip(type);
    }
  }
  return found;
}

await serve(answer);
service.close();
