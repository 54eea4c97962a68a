// What all entries have in common. Nothing here may import a module of Node's.

export {
  Client,
  type CallOptions,
  type IdentityFields,
  type Proof,
  type RotateOptions,
  type Rotated,
  type Signed,
  type SignOptions,
  type WebhookOptions,
} from "./client.js";
export { CountersignError, type ErrorCode, type Violation } from "./error.js";
export { wireHeaders, type Credential, type Header, type HeadersLike } from "./headers.js";
export { DEFAULT_DEADLINE_MS } from "./transport.js";
export type { Explanation, Handshake, Identity, ReasonName, Verdict, VersionUse, WebhookVerdict } from "./verdict.js";
export { widgetFields, type WidgetFields } from "./widget.js";
