import assert from "node:assert/strict";
import { test } from "node:test";
import { CountersignError, wireHeaders, type HeadersLike } from "../src/index.js";

const sent = (headers: HeadersLike) => wireHeaders(headers).map(({ name, value }) => `${name}: ${value}`);

test("every shape of headers is taken, and repeated ones stay repeated and in order", () => {
  const twice = ["x-sig: one", "x-sig: two", "x-b: 3"];
  assert.deepEqual(sent(["X-Sig", "one", "X-B", "3", "x-sig", "two"]), twice, "rawHeaders");
  assert.deepEqual(
    sent([
      ["X-Sig", "one"],
      ["x-sig", "two"],
      ["X-B", "3"],
    ]),
    twice,
    "pairs",
  );
  assert.deepEqual(sent({ "X-Sig": ["one", "two"], "X-B": "3", "x-none": undefined }), twice, "an object of lists");
  assert.deepEqual(
    sent(
      new Map<string, string | string[]>([
        ["X-Sig", ["one", "two"]],
        ["X-B", "3"],
      ]),
    ),
    twice,
    "a map",
  );
  assert.deepEqual(sent(new Headers({ "X-Sig": "one", "X-B": "3" })), ["x-b: 3", "x-sig: one"], "Headers");
  for (const wrong of ["text", null, 5, { a: 1 }, [["a", 1]], ["a", 1]]) {
    assert.throws(() => wireHeaders(wrong as never), CountersignError);
  }
});

test("credentials stay behind unless asked for", () => {
  const headers = { Cookie: "a", Authorization: "b", "Proxy-Authorization": "c", "X-A": "d" };
  assert.deepEqual(sent(headers), ["x-a: d"]);
  const asked = wireHeaders(headers, ["authorization"]).map(({ name }) => name);
  assert.deepEqual(asked, ["authorization", "x-a"]);
});

test("values that are UTF-8 are sent as text, and others stay behind", () => {
  const bytes = (text: string) => Buffer.from(text).toString("latin1");
  assert.deepEqual(sent({ a: bytes("grün 世界"), b: ["text", "\xff\xfe"], c: "\xfc", d: "世", e: "\ud800" }), [
    "a: grün 世界",
    "d: 世",
  ]);
  assert.deepEqual(sent({ a: " untrimmed ", b: bytes("\ufeffx") }), ["a:  untrimmed ", "b: \ufeffx"]);
});

test("over the limits the headers of the webhook are sent, and no part of a name", () => {
  for (const [others, length] of [
    [100, 1],
    [20, 1000],
  ] as const) {
    const hops = Array.from({ length: others }, (_, hop): [string, string[]] => {
      return [`x-hop-${hop}`, ["v".repeat(length), "v".repeat(length)]];
    });
    const headers = wireHeaders([...hops, ["Stripe-Signature", ["one", "two"]]]);
    const bytes = headers.reduce((sum, { name, value }) => sum + name.length + value.length, 0);
    assert.ok(headers.length <= 64 && headers.length > 2 && bytes <= 8192, `${headers.length}, ${bytes}`);
    for (const { name } of headers) assert.equal(headers.filter((other) => other.name === name).length, 2, name);
    assert.ok(headers.some(({ name }) => name === "stripe-signature"));
  }
});

test("a header of the webhook is never left out", () => {
  const many = Array.from({ length: 65 }, (): [string, string] => ["stripe-signature", "v1=0"]);
  assert.equal(wireHeaders(many).length, 65);
});
