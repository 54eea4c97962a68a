// The headers of a delivery, as the service takes them.

import { invalid } from "./error.js";

/**
 * Headers in any shape that Node, fetch and the frameworks hand over: `Headers`, `rawHeaders`, an object whose values
 * may be lists, or pairs. Only `rawHeaders`, pairs and lists keep repeated headers apart; `Headers` and Node's
 * `req.headers` have joined or dropped them before.
 */
export type HeadersLike =
  | Iterable<readonly [string, string | readonly string[]]>
  | readonly string[]
  | { readonly [name: string]: string | readonly string[] | undefined };

/** Headers that are somebody's session or password, and are left out unless asked for. */
export type Credential = "authorization" | "cookie" | "proxy-authorization";

/** One header as the service takes it. */
export interface Header {
  name: string;
  value: string;
}

/** The most headers that the service takes by default. */
const MAX_HEADERS = 64;
/** The most bytes of names and values together that the service takes by default. */
const MAX_BYTES = 8 * 1024;
const CREDENTIALS: readonly string[] = ["cookie", "authorization", "proxy-authorization"];
/** What the names of headers that vendors sign with have in common. */
const WEBHOOK_NAME = /signature|timestamp|hook|svix|hmac|delivery|event|-id|token|verification|content-type/;

/**
 * The headers to send: repeated ones stay repeated, in order. Credentials other than those asked for are left out, and
 * names with a value that is not UTF-8 text, for the wire cannot carry it.
 *
 * Over the service's limits those whose names look like a webhook's go first, then what fits of the others; of one name
 * all or none, so that leaving some out never hides a header that was given twice.
 */
export function wireHeaders(headers: HeadersLike, asked: readonly Credential[] = []): Header[] {
  const groups = new Map<string, Header[]>();
  const leftOut = new Set(CREDENTIALS.filter((name) => !asked.includes(name as Credential)));
  for (const [name, raw] of pairs(headers)) {
    const key = name.toLowerCase();
    const value = text(raw);
    if (value === undefined) leftOut.add(key);
    else groups.set(key, [...(groups.get(key) ?? []), { name: key, value }]);
  }
  for (const name of leftOut) groups.delete(name);
  const all = [...groups.values()];
  const sent = all.filter((group) => isOfWebhook(group));
  for (const group of all.filter((group) => !isOfWebhook(group))) {
    const more = [...sent, group].flat();
    if (more.length <= MAX_HEADERS && byteLength(more) <= MAX_BYTES) sent.push(group);
  }
  return sent.flat();
}

function* pairs(headers: HeadersLike): Generator<[string, string]> {
  if (typeof headers !== "object" || headers === null) throw invalid("headers", "are not headers");
  const entries = Symbol.iterator in headers ? [...headers] : Object.entries(headers);
  for (let index = 0; index < entries.length; index++) {
    const entry = entries[index];
    // rawHeaders: name, value, name, value.
    const [name, value] = typeof entry === "string" ? [entry, entries[++index]] : (entry ?? []);
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) {
      if (typeof name !== "string" || typeof one !== "string") throw invalid("headers", "are not names and texts");
      yield [name, one];
    }
  }
}

/** Node and fetch hand over one character for each byte of a header; a text beyond that was decoded before. */
function text(value: string): string | undefined {
  if (/^[\x00-\x7f]*$/.test(value)) return value;
  if (/[^\x00-\xff]/.test(value)) return value.isWellFormed() ? value : undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      Uint8Array.from(value, (byte) => byte.charCodeAt(0)),
    );
  } catch {
    return undefined;
  }
}

function isOfWebhook(group: Header[]): boolean {
  return group.some((header) => WEBHOOK_NAME.test(header.name));
}

function byteLength(headers: Header[]): number {
  const encoder = new TextEncoder();
  return headers.reduce((sum, { name, value }) => sum + encoder.encode(name + value).length, 0);
}
