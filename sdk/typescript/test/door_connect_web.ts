// A door without the SDK: generated code over a transport for browsers. The argument is connect-json (if there is none),
// connect-binary or grpc-web.

import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { BadRequestSchema, ErrorInfoSchema } from "../src/gen/google/rpc/error_details_pb.js";
import {
  CountersignService,
  Decision,
  ProvenPart,
  Reason,
  Shield,
  Trust,
  VersionState,
  type VersionUse,
} from "../src/gen/countersign/v1/countersign_pb.js";
import { identity, serve, type Answer, type Question } from "./lines.js";

const { COUNTERSIGN_SERVER: baseUrl = "http://127.0.0.1:50051", COUNTERSIGN_TOKEN: token } = process.env;
const authorize: Interceptor = (next) => (call) => {
  if (token) call.header.set("authorization", `Bearer ${token}`);
  return next(call);
};
const options = { baseUrl, interceptors: [authorize], defaultTimeoutMs: 5000 };
const transports: Record<string, () => ReturnType<typeof createConnectTransport>> = {
  "connect-json": () => createConnectTransport(options),
  "connect-binary": () => createConnectTransport({ ...options, useBinaryFormat: true }),
  "grpc-web": () => createGrpcWebTransport(options),
};
const transport = transports[process.argv[2] ?? "connect-json"];
if (transport === undefined) throw new Error(`usage: door_connect_web ${Object.keys(transports).join("|")}`);
const service = createClient(CountersignService, transport());

async function answer(question: Question): Promise<Answer> {
  try {
    return await ask(question);
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    const name = Code[error.code].replace(/(?!^)[A-Z]/g, "_$&").toUpperCase();
    return {
      error: {
        code: name === "CANCELED" ? "CANCELLED" : name,
        reason: error.findDetails(ErrorInfoSchema)[0]?.reason ?? null,
        fields: error.findDetails(BadRequestSchema).flatMap((bad) => bad.fieldViolations.map(({ field }) => field)),
      },
    };
  }
}

async function ask({ rpc, secret, headers, body = "", method, url, claimed, hash, token, ...rest }: Question) {
  if (rpc === "Sign") {
    const reply = await service.sign({ secret, input: { case: "identity", value: rest.identity ?? {} } });
    return { hash: reply.hash || null, token: reply.token || null, ...used(reply.version) };
  }
  if (rpc === "Verify") {
    const proof =
      hash !== undefined
        ? ({ case: "hash", value: hash } as const)
        : token !== undefined
          ? ({ case: "token", value: token } as const)
          : undefined;
    const reply = await service.verify({ secret, claimed, proof });
    return {
      ...verdict(reply),
      trust: Trust[reply.trust],
      shield: Shield[reply.shield],
      verified: identity(reply.verified),
      claimed: identity(reply.claimed),
    };
  }
  const reply = await service.verifyWebhook({
    secret,
    headers: headers?.map(([name, value]) => ({ name, value })),
    payload: { case: "body", value: Buffer.from(body, "base64") },
    method,
    url,
  });
  return {
    ...verdict(reply),
    proven: reply.proven.map((part) => ProvenPart[part]),
    proven_fields: reply.provenFields,
    handshake: reply.handshake?.name ?? null,
  };
}

function verdict({ decision, reason, version }: { decision: Decision; reason: Reason; version?: VersionUse }): Answer {
  return { decision: Decision[decision], reason: reason ? Reason[reason] : null, ...used(version) };
}

function used(version?: VersionUse): Answer {
  return { version: version?.number ?? null, state: version ? VersionState[version.state] : null };
}

await serve(answer);
