// GitHub's own library behind JSON lines: {call, args} in, {result} or {error} out, in order.
import { createInterface } from "node:readline";
import * as octokit from "@octokit/webhooks-methods";

for await (const line of createInterface({ input: process.stdin })) {
  const { call, args } = JSON.parse(line);
  const answer = await octokit[call](...args).then(
    (result) => ({ result }),
    (error) => ({ error: error.message }),
  );
  process.stdout.write(JSON.stringify(answer) + "\n");
}
