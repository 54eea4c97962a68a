"""FastAPI, whose handlers read the body and parse it."""

from typing import Any

from fastapi import FastAPI, Request

from apps import CREDENTIALS, PATHS, SECRETS, asgi_url, report
from countersign.asgi import WebhookMiddleware

app = FastAPI()
app.add_middleware(WebhookMiddleware, secret=SECRETS, url=asgi_url, credential_headers=CREDENTIALS)


async def handler(request: Request) -> dict[str, Any]:
    body = await request.body()
    parsed = await request.json() if body[:1] == b"{" else None
    return report(body, parsed, getattr(request.state, "countersign", None))


for path in PATHS:
    app.post(path)(handler)
