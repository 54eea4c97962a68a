"""Starlette, whose handler reads the body as a stream."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from apps import CREDENTIALS, PATHS, SECRETS, asgi_url, parsed_json, report
from countersign.asgi import WebhookMiddleware


async def handler(request: Request) -> JSONResponse:
    body = b"".join([chunk async for chunk in request.stream()])
    return JSONResponse(report(body, parsed_json(body), getattr(request.state, "countersign", None)))


app = Starlette(
    routes=[Route(path, handler, methods=["POST"]) for path in PATHS],
    middleware=[Middleware(WebhookMiddleware, SECRETS, url=asgi_url, credential_headers=CREDENTIALS)],
)
