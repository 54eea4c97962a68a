// Signs users in to the chat widgets of four vendors. The page asks for the fields of its widget and hands them to the
// vendor's script; the keys never leave Countersign.
//
//   countersign dev                        # in another terminal
//   (cd ../../sdk/typescript && npm ci && npm run build)
//   npm install && npm run build && node build/chat-backend.js
//   curl http://127.0.0.1:4243/chat/chatwoot

import { connect, CountersignError, widgetFields } from "@countersign/client";
import express from "express";

const widgets = new Map([
  [
    "chatwoot",
    { secret: "demo/chatwoot-identity", scheme: "chatwoot.identity" },
  ],
  ["pylon", { secret: "demo/pylon-identity", scheme: "pylon.identity" }],
  ["kaltalk", { secret: "demo/kaltalk-token", scheme: "kaltalk.token" }],
  ["talkjs", { secret: "demo/talkjs-token", scheme: "talkjs.token" }],
]);

const countersign = connect();
const app = express();

app.get("/chat/:vendor", async (request, response) => {
  const widget = widgets.get(request.params.vendor);
  if (widget === undefined) {
    response.status(404).json({ error: "no such widget" });
    return;
  }
  try {
    const user = signedInUser();
    const proof = await countersign.sign(widget.secret, user);
    response
      .set("cache-control", "no-store")
      .json(widgetFields(widget.scheme, user, proof));
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error;
    console.error(`${error.code}: ${error.message}`);
    response.status(503).json({ error: "try again" });
  }
});

app.listen(Number(process.env.PORT ?? 4243), "127.0.0.1");

/** Whoever your session says is there. Never sign an id that came with the request: that vouches for anybody. */
function signedInUser() {
  return { id: "user-42", email: "ada@example.com", name: "Ada" };
}
