// What the vendors' chat widgets want of a signed-in user.

import type { IdentityFields } from "./client.js";
import { CountersignError, invalid } from "./error.js";
import { widgets } from "./gen/widgets.js";

/** A text, or a tree of texts. */
export type WidgetFields = { [name: string]: WidgetFields | string | string[] };

/**
 * The fields that the vendor's chat widget wants, by the names it has for them. A field whose value is empty is left
 * out; of a list the place counts, so it is left out as a whole.
 *
 * @param scheme Id of the secret's scheme, such as "intercom.identity".
 * @param proof What `sign` answered, or the text of it.
 * @throws CountersignError for an empty proof and for a scheme without a known widget.
 */
export function widgetFields(
  scheme: string,
  identity: IdentityFields,
  proof: string | { proof: string },
): WidgetFields {
  const text = typeof proof === "string" ? proof : proof?.proof;
  if (!text) throw invalid("proof", "is empty");
  if (!Object.hasOwn(widgets, scheme)) {
    const known = Object.keys(widgets).join(", ");
    throw new CountersignError("INVALID_ARGUMENT", `no widget is known for this scheme; known are ${known}`);
  }
  const { id, email, name } = identity;
  const values = { id, email, name, hash: text, token: text };
  return (filled(widgets[scheme]?.fields, values) ?? {}) as WidgetFields;
}

function filled(template: unknown, values: Record<string, string | undefined>): unknown {
  if (typeof template === "string") {
    return template.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? "") || undefined;
  }
  if (Array.isArray(template)) {
    const list = template.map((item) => filled(item, values));
    return list.includes(undefined) ? undefined : list;
  }
  const members = Object.entries(template as object)
    .map(([name, value]) => [name, filled(value, values)] as const)
    .filter(([, value]) => value !== undefined);
  return members.length > 0 ? Object.fromEntries(members) : undefined;
}
