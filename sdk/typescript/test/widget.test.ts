import assert from "node:assert/strict";
import { test } from "node:test";
import { CountersignError, widgetFields } from "../src/index.js";
import { widgets } from "../src/gen/widgets.js";
import { client } from "./support.js";

const ada = { id: "user-42", email: "ada@example.com", name: "Ada" };

test("the fields of a widget, from an identity and what sign answered", async () => {
  const signed = await client.sign("demo/chatwoot-identity", ada);
  assert.deepEqual(widgetFields("chatwoot.identity", ada, signed), {
    identifier: "user-42",
    name: "Ada",
    email: "ada@example.com",
    identifier_hash: signed.hash,
  });
});

test("a field whose value is empty is left out, and a list as a whole", () => {
  assert.deepEqual(widgetFields("chatwoot.identity", { id: "u" }, "h"), { identifier: "u", identifier_hash: "h" });
  assert.deepEqual(widgetFields("crisp.identity", { email: "e" }, "h"), { "user:email": ["e", "h"] });
  assert.deepEqual(widgetFields("crisp.identity", { id: "u" }, "h"), {});
  assert.deepEqual(widgetFields("chatbase.identity", { id: "u" }, "h"), { user_id: "u", user_hash: "h" });
});

test("a name that looks like a placeholder stays as it is", () => {
  const fields = widgetFields("chatwoot.identity", { id: "{hash}", name: "$& {token}" }, "h");
  assert.deepEqual([fields.identifier, fields.name], ["{hash}", "$& {token}"]);
});

test("every widget gets its proof, and no placeholder is left over", () => {
  for (const scheme of Object.keys(widgets)) {
    const text = JSON.stringify(widgetFields(scheme, ada, "THE-PROOF"));
    assert.ok(text.includes("THE-PROOF") && !/\{\w+\}/.test(text), text);
  }
});

test("an unknown scheme is an error that names those known, and an empty proof is one", () => {
  for (const scheme of ["nope.identity", "toString", "__proto__"]) {
    assert.throws(() => widgetFields(scheme, ada, "h"), /intercom\.identity/);
  }
  for (const proof of ["", undefined, {}]) {
    assert.throws(() => widgetFields("chatwoot.identity", ada, proof as never), CountersignError);
  }
});
