"""Receives Stripe's webhooks with FastAPI: only genuine events reach the handler.

countersign dev                                          # in another terminal
pip install ../../sdk/python fastapi uvicorn
uvicorn stripe_webhook:app --port 8080
countersign webhook sign demo/stripe-webhook --body '{"id":"evt_1","type":"charge.succeeded"}' \\
  --send http://127.0.0.1:8080/stripe
"""

import logging
from typing import Any

from fastapi import FastAPI, Request

from countersign import WebhookVerdict
from countersign.asgi import WebhookMiddleware

log = logging.getLogger("uvicorn.error")
app = FastAPI()
app.add_middleware(WebhookMiddleware, secret={"/stripe": "demo/stripe-webhook"})


@app.post("/stripe")
async def stripe(request: Request) -> dict[str, Any]:
    verdict: WebhookVerdict = request.state.countersign  # fails where the middleware did not run
    event = await request.json()
    # Stripe sends an event again where it saw no answer, and signs it anew: the verdict's `replay` does not tell that.
    # To handle an event once, keep the ids of those that are done in your own store.
    log.info("%s %s, %s", event["type"], event["id"], verdict.age)
    return {"received": event["id"]}
