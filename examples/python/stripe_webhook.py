"""Receives Stripe's webhooks with FastAPI: only genuine events reach the handler.

`uvicorn stripe_webhook:app`, with the service in COUNTERSIGN_SERVER and COUNTERSIGN_TOKEN.
"""

from typing import Any

from fastapi import FastAPI, Request

from countersign import Replay, WebhookVerdict
from countersign.asgi import WebhookMiddleware

app = FastAPI()
app.add_middleware(WebhookMiddleware, secret={"/stripe": "demo/stripe-webhook"})


@app.post("/stripe")
async def stripe(request: Request) -> dict[str, Any]:
    verdict: WebhookVerdict = request.state.countersign
    event = await request.json()
    if verdict.replay is Replay.DUPLICATE:
        return {"done": "before"}  # Stripe sends an event again where the answer was lost
    return {"done": event["type"]}
