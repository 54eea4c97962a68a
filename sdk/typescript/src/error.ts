// The one error type of the SDK. A refused proof is a verdict, not an error.

import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.js";

const CODES = {
  [Code.Canceled]: "CANCELLED",
  [Code.Unknown]: "UNKNOWN",
  [Code.InvalidArgument]: "INVALID_ARGUMENT",
  [Code.DeadlineExceeded]: "DEADLINE_EXCEEDED",
  [Code.NotFound]: "NOT_FOUND",
  [Code.AlreadyExists]: "ALREADY_EXISTS",
  [Code.PermissionDenied]: "PERMISSION_DENIED",
  [Code.ResourceExhausted]: "RESOURCE_EXHAUSTED",
  [Code.FailedPrecondition]: "FAILED_PRECONDITION",
  [Code.Aborted]: "ABORTED",
  [Code.OutOfRange]: "OUT_OF_RANGE",
  [Code.Unimplemented]: "UNIMPLEMENTED",
  [Code.Internal]: "INTERNAL",
  [Code.Unavailable]: "UNAVAILABLE",
  [Code.DataLoss]: "DATA_LOSS",
  [Code.Unauthenticated]: "UNAUTHENTICATED",
} as const;

/** A canonical gRPC code by its name. */
export type ErrorCode = (typeof CODES)[Code];

/** A field of the request that was not accepted. */
export interface Violation {
  /** Path of the field in the request message. */
  field: string;
  /** What is wrong with it. */
  description: string;
}

/**
 * Why there is no answer. Nothing of the request is in it.
 *
 * Mistakes of the caller that never left this process are INVALID_ARGUMENT; an answer that this client does not
 * understand is INTERNAL, and decides nothing: refuse.
 */
export class CountersignError extends Error {
  static {
    this.prototype.name = "CountersignError";
  }

  constructor(
    /** The canonical code. */
    readonly code: ErrorCode,
    message: string,
    /** The stable reason of ErrorInfo, such as "SECRET_NOT_FOUND"; undefined where the service did not answer. */
    readonly reason?: string,
    /** The fields at fault, in order. */
    readonly violations: readonly Violation[] = [],
  ) {
    super(message);
  }

  /** Any error of a transport as one of this type. */
  static from(error: unknown): CountersignError {
    if (error instanceof CountersignError) return error;
    const call = ConnectError.from(error);
    const broken = causes(call).filter(isBrokenConnection).at(-1);
    if (broken !== undefined && call.code !== Code.Canceled) {
      // Of an address with several IPs Node gives an error without words.
      const words = broken.message || ("code" in broken ? String(broken.code) : "");
      return new CountersignError("UNAVAILABLE", advised("UNAVAILABLE", words));
    }
    const code = CODES[call.code];
    const reason = call.findDetails(ErrorInfoSchema)[0]?.reason;
    const violations = call
      .findDetails(BadRequestSchema)
      .flatMap((bad) => bad.fieldViolations.map(({ field, description }) => ({ field, description })));
    return new CountersignError(code, advised(code, call.rawMessage), reason, violations);
  }
}

/** A value of the caller's own that cannot be sent. */
export function invalid(field: string, description: string): CountersignError {
  const violation = { field, description };
  return new CountersignError("INVALID_ARGUMENT", `${field} ${description}`, undefined, [violation]);
}

/** An answer that decides nothing. */
export function unusable(what: string): CountersignError {
  return new CountersignError(
    "INTERNAL",
    `the server answered ${what}: refuse the request, and update this client or check the server`,
  );
}

function causes(error: Error): Error[] {
  const chain: Error[] = [];
  for (let next: unknown = error; next instanceof Error && !chain.includes(next); next = next.cause) chain.push(next);
  return chain;
}

/** gRPC calls a connection that broke UNAVAILABLE; the transports call it many things, and fetch just a TypeError. */
function isBrokenConnection(error: Error): boolean {
  return error instanceof TypeError || ("code" in error && typeof error.code === "string");
}

const ADVICE: Partial<Record<ErrorCode, string>> = {
  UNAUTHENTICATED: "give a valid token",
  PERMISSION_DENIED: "use a token that may do this",
  // Not "try again": a change may have happened all the same.
  UNAVAILABLE: "check that the server runs and can be reached, with TLS if the address says https",
  DEADLINE_EXCEEDED: "check that the server can be reached, or allow a longer deadline",
  RESOURCE_EXHAUSTED: "wait a moment and try again",
  ABORTED: "somebody else changed it: read it again, then repeat",
};

function advised(code: ErrorCode, message: string): string {
  const advice = ADVICE[code];
  return [message || code, advice].filter(Boolean).join(": ");
}
