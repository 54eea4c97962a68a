// Receives Stripe's webhooks. Nothing here holds Stripe's signing secret: Countersign does.
//
//   countersign dev                        # in another terminal
//   (cd ../../sdk/typescript && npm ci && npm run build)
//   npm install && npm run build && node build/stripe-webhook.js
//   countersign webhook sign demo/stripe-webhook --body '{"id":"evt_1","type":"charge.succeeded"}' \
//     --send http://127.0.0.1:4242/stripe

import { connect } from "@countersign/client";
import { webhook } from "@countersign/client/express";
import express from "express";

const countersign = connect();
const app = express();

// In front of express.json(), because the signature is over the bytes and not over what a parser makes of them.
app.post(
  "/stripe",
  webhook(countersign, "demo/stripe-webhook"),
  (request, response) => {
    const event = JSON.parse(String(request.body)) as {
      id: string;
      type: string;
    };
    // Stripe sends an event again where it saw no answer, and signs it anew: the verdict's `replay` does not tell that.
    // To handle an event once, keep the ids of those that are done in your own store.
    console.log(`${event.type} ${event.id}`);
    response.json({ received: event.id });
  },
);

app.use(express.json());
app.listen(Number(process.env.PORT ?? 4242), "127.0.0.1");
