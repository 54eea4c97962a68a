// How every call is made: deadline, and a retry where repeating is harmless. It wraps a transport, so that the face and
// the generated clients behave alike.

import { create, toBinary, type DescMessage, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { CountersignError, invalid } from "./error.js";

/** The time that a call may take, unless set otherwise. */
export const DEFAULT_DEADLINE_MS = 5000;
/** What fits into the eight digits of a gRPC timeout. */
const MAX_DEADLINE_MS = 99_999_999;
/** Attempts of a call that may be repeated, the first one included. */
const MAX_ATTEMPTS = 3;
/** Longest pause before the second attempt; it doubles for each further one. */
const BACKOFF_MS = 100;
/** Names which all attempts of one call share, so that the service can tell a retry from another delivery. */
const CALL_ID = "countersign-call-id";
/** Creations and rotations carry a request_id, so that a repetition of theirs changes nothing. */
const RETRIED = /^(Sign|Verify|VerifyWebhook|RotateSecret|CreateSecret|Get.*|List.*)$/;

/** A transport with deadlines, retries and errors as sdk/README.md describes them. */
export function guarded(inner: Transport, deadlineMs = DEFAULT_DEADLINE_MS): Transport {
  checkDeadline(deadlineMs);
  return {
    async unary(method, signal, timeoutMs, header, input, contextValues) {
      checkDeadline(timeoutMs ?? deadlineMs);
      const end = performance.now() + (timeoutMs ?? deadlineMs);
      const message = request(method.input, input);
      const headers = new Headers(header);
      const attempts = RETRIED.test(method.name) ? MAX_ATTEMPTS : 1;
      if (attempts > 1) headers.set(CALL_ID, crypto.randomUUID());
      for (let attempt = 1; ; attempt++) {
        const leftMs = Math.max(1, Math.ceil(end - performance.now()));
        try {
          return await inner.unary(method, signal, leftMs, headers, message, contextValues);
        } catch (error) {
          const failure = failed(error, end, signal);
          const pauseMs = jittered(BACKOFF_MS * 2 ** (attempt - 1));
          const inTime = performance.now() + pauseMs < end;
          if (failure.code !== "UNAVAILABLE" || attempt >= attempts || !inTime) throw failure;
          await sleep(pauseMs, signal);
        }
      }
    },

    async stream(method, signal, timeoutMs, header, input, contextValues) {
      const [beginning, begun] = startedWithin(deadlineMs, signal);
      try {
        const answer = await inner.stream(method, beginning, timeoutMs, header, input, contextValues);
        return { ...answer, message: translated(answer.message) };
      } catch (error) {
        throw CountersignError.from(error);
      } finally {
        begun();
      }
    },
  };
}

/** The server's address, checked, and what sends the token with every call. */
export function endpoint(url: string, token?: string): { baseUrl: string; interceptors: Interceptor[] } {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  // A path stays: behind a proxy it may be a part of the address.
  const more = parsed && parsed.username + parsed.password + parsed.search + parsed.hash;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || more) {
    throw invalid("url", "is not the URL of a server: give http://HOST:PORT or https://HOST:PORT");
  }
  const baseUrl = `${parsed.origin}${parsed.pathname}`.replace(/\/+$/, "");
  if (token === undefined) return { baseUrl, interceptors: [] };
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
    throw invalid(
      "token",
      "is not visible ASCII text, without a line end: check the file or variable that it came from",
    );
  }
  if (parsed.protocol !== "https:" && !/^(localhost|\[::1\]|127(\.\d+){3})$/.test(parsed.hostname)) {
    throw invalid("token", `is not sent over plain http to ${parsed.hostname}: use https, or a loopback address`);
  }
  const authorize: Interceptor = (next) => (call) => {
    call.header.set("authorization", `Bearer ${token}`);
    return next(call);
  };
  return { baseUrl, interceptors: [authorize] };
}

function checkDeadline(deadlineMs: number): void {
  if (!(deadlineMs > 0 && deadlineMs <= MAX_DEADLINE_MS)) {
    throw invalid("deadlineMs", `is not a number of milliseconds above 0, at most ${MAX_DEADLINE_MS}`);
  }
}

/** The message to send, the same in all attempts. */
function request<I extends DescMessage>(schema: I, input: MessageInitShape<I>): MessageShape<I> {
  const message = create(schema, input);
  if ("requestId" in message) message.requestId ||= crypto.randomUUID();
  try {
    toBinary(schema, message);
  } catch {
    // What the encoder says may hold the value.
    throw invalid(schema.name, "has a field of the wrong type: texts are strings, numbers whole and in their range");
  }
  return message;
}

/** Only the caller cancels. What a transport calls so besides is the end of the deadline or of the connection. */
function failed(error: unknown, end: number, signal?: AbortSignal): CountersignError {
  const failure = CountersignError.from(error);
  if (failure.code !== "CANCELLED" || signal?.aborted) return failure;
  if (performance.now() >= end) return new CountersignError("DEADLINE_EXCEEDED", "the server did not answer in time");
  return CountersignError.from(new ConnectError("the connection ended before the answer", Code.Unavailable));
}

/** Between half of a pause and all of it, so that many clients do not come back in step. */
function jittered(pauseMs: number): number {
  return pauseMs * (0.5 + Math.random() / 2);
}

/** Resolves early when the call is cancelled: the next attempt then says so. */
async function sleep(pauseMs: number, signal?: AbortSignal): Promise<void> {
  let wake = () => {};
  const woken = new Promise<void>((resolve) => (wake = resolve));
  const timer = setTimeout(wake, pauseMs);
  signal?.addEventListener("abort", wake);
  await woken;
  clearTimeout(timer);
  signal?.removeEventListener("abort", wake);
}

/** The deadline of a stream is for its beginning; the stream itself takes as long as it takes. */
function startedWithin(deadlineMs: number, signal?: AbortSignal): [AbortSignal, () => void] {
  const controller = new AbortController();
  const late = new ConnectError("the server did not begin to answer in time", Code.DeadlineExceeded);
  const timer = setTimeout(() => controller.abort(late), deadlineMs);
  const cancel = () => controller.abort(signal?.reason);
  if (signal?.aborted) cancel();
  else signal?.addEventListener("abort", cancel, { once: true });
  return [controller.signal, () => clearTimeout(timer)];
}

async function* translated<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    throw CountersignError.from(error);
  }
}
