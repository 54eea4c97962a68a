// What a newcomer does: the README's lines and the examples, in folders that have nothing of this one's. `check` makes
// the folder FRESH with the packed package and the examples in it.

import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { client, server, variable } from "./support.js";

const fresh = variable("FRESH");
const root = fileURLToPath(new URL("../..", import.meta.url));
const environment = {
  ...process.env,
  COUNTERSIGN_SERVER: server,
  npm_config_prefer_offline: "true",
  PATH: `${dirname(variable("COUNTERSIGN_BIN"))}:${process.env.PATH}`,
};

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** Starts an example and answers its address once it listens. */
async function running(program: string): Promise<string> {
  const port = await freePort();
  const child: ChildProcess = spawn(process.execPath, [join(fresh, "build", program)], {
    cwd: fresh,
    env: { ...environment, PORT: String(port) },
    stdio: ["ignore", "ignore", "inherit"],
  });
  after(() => void child.kill());
  const url = `http://127.0.0.1:${port}`;
  await answers(url);
  return url;
}

async function answers(url: string): Promise<void> {
  for (const end = performance.now() + 10_000; performance.now() < end;) {
    if (await fetch(url).catch(() => undefined)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`nothing listens on ${url}`);
}

function deliver(url: string, ...fault: string[]): number | null {
  const body = '{"id":"evt_1","type":"charge.succeeded"}';
  const words = ["webhook", "sign", "demo/stripe-webhook", "--body", body, "--send", url, ...fault];
  return spawnSync(variable("COUNTERSIGN_BIN"), words, { env: environment, stdio: "ignore" }).status;
}

test("the README's lines lead from the folder to a verified delivery", async () => {
  const blocks = readFileSync(join(root, "README.md"), "utf8").matchAll(/^```(sh|js|text)\n(.*?)^```/gms);
  const port = String(await freePort());
  const lines = [...blocks].map(([, language, text = ""]) => ({ language, text: text.replaceAll("4242", port) }));
  const shell = lines.filter(({ language }) => language === "sh").map(({ text }) => text);
  const [receiver, printed, ...more] = lines.filter(({ language }) => language !== "sh");
  assert.ok(shell.length === 3 && receiver?.language === "js" && printed?.language === "text" && more.length === 0);

  const home = mkdtempSync(join(tmpdir(), "countersign-newcomer-"));
  const [clone, own] = [join(home, "clone"), join(home, "receiver")];
  const folder = join(clone, "sdk/typescript");
  mkdirSync(folder, { recursive: true });
  mkdirSync(own);
  for (const name of ["src", "package.json", "package-lock.json", ".npmrc", "tsconfig.json", "tsconfig.build.json"]) {
    cpSync(join(root, name), join(folder, name), { recursive: true });
  }
  const [install = "", serve = "", deliveries = ""] = shell;
  assert.ok(install.includes("/path/to/your/clone"));
  const script = [
    "set -euo pipefail",
    install.replace("/path/to/your/clone", clone),
    `cat > receiver.mjs <<'END'\n${receiver.text}END`,
    `${serve.trimEnd()} & receiver=$!`,
    "trap 'kill $receiver' EXIT",
    `until curl -s -o /dev/null http://127.0.0.1:${port}; do sleep 0.1; done`,
    deliveries,
  ].join("\n");
  const run = spawnSync("bash", ["-c", script], { cwd: own, env: environment, encoding: "utf8", timeout: 150_000 });
  assert.equal(run.status, 0, run.stdout + run.stderr);
  assert.ok(run.stdout.endsWith(printed.text), run.stdout + run.stderr);

  // As TypeScript, with what the examples have.
  writeFileSync(join(fresh, "receiver.mts"), receiver.text);
  const compiler = join(fresh, "node_modules/.bin/tsc");
  const flags = ["--noEmit", "--strict", "--module", "nodenext", "--ignoreConfig", "receiver.mts"];
  const compiled = spawnSync(compiler, flags, { cwd: fresh, encoding: "utf8" });
  assert.equal(compiled.status, 0, compiled.stdout);
  rmSync(join(fresh, "receiver.mts"));
  rmSync(home, { recursive: true });
});

test("the example of a receiver takes a genuine delivery and refuses a faulty one", async () => {
  const url = `${await running("stripe-webhook.js")}/stripe`;
  assert.equal(deliver(url), 0);
  assert.equal(deliver(url, "--fault", "stale"), 0, "a receiver that refuses it does right");
  const reply = await fetch(url, { method: "POST", body: "{}" });
  assert.deepEqual([reply.status, await reply.json()], [401, { error: "webhook_refused", reason: "HEADER_MISSING" }]);
});

test("the example of a chat backend signs for four vendors", async () => {
  const url = await running("chat-backend.js");
  const fields = async (vendor: string) =>
    (await (await fetch(`${url}/chat/${vendor}`)).json()) as Record<string, string | undefined>;
  const chatwoot = await fields("chatwoot");
  assert.deepEqual([chatwoot.identifier, chatwoot.email], ["user-42", "ada@example.com"]);
  const verified = async (name: string, proof: Parameters<typeof client.verify>[2]) =>
    (await client.verify(name, { id: "user-42", email: "ada@example.com" }, proof)).verified;
  assert.ok(await verified("demo/chatwoot-identity", { hash: chatwoot.identifier_hash ?? "" }));
  assert.ok(await verified("demo/pylon-identity", { hash: (await fields("pylon")).email_hash ?? "" }));
  assert.ok(await verified("demo/kaltalk-token", { token: (await fields("kaltalk")).userJwt ?? "" }));
  assert.ok(await verified("demo/talkjs-token", { token: (await fields("talkjs")).token ?? "" }));
  assert.equal((await fetch(`${url}/chat/nobody`)).status, 404);
});
