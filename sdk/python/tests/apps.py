"""An app in each framework, guarded by the middleware; the secrets come from the environment.

Each handler answers what it read after the middleware: the hash of the raw body, the parsed body and the verdict.
"""

import hashlib
import json
import os
from typing import Any

import django.conf
import django.core.asgi
import django.core.wsgi
import django.http
import django.urls
import flask
from fastapi import FastAPI
from fastapi import Request as FastAPIRequest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import countersign.asgi
import countersign.wsgi
from countersign import WebhookVerdict

SECRETS = json.loads(os.environ["APP_SECRETS"])
PATHS = [*SECRETS, "/open"]


def report(body: bytes, parsed: Any, verdict: WebhookVerdict | None) -> dict[str, Any]:
    proven = sorted(part.value for part in verdict.proven) if verdict else None
    return {"sha256": hashlib.sha256(body).hexdigest(), "parsed": parsed, "proven": proven}


def registered_url(request: Any) -> str:
    """Behind a proxy, as the vendor knows it."""
    name = request["headers"] if "headers" in request else [(b"x-registered", request.get("HTTP_X_REGISTERED", ""))]
    url = dict(name).get(b"x-registered") or b""
    if url:
        return url.decode() if isinstance(url, bytes) else url
    return countersign.asgi.request_url(request) if "headers" in request else countersign.wsgi.request_url(request)


SETTINGS: dict[str, Any] = {"url": registered_url, "credential_headers": {"authorization"}}


# FastAPI

fastapi_app = FastAPI()
fastapi_app.add_middleware(countersign.asgi.WebhookMiddleware, secret=SECRETS, **SETTINGS)


async def fastapi_handler(request: FastAPIRequest) -> dict[str, Any]:
    body = await request.body()
    parsed = await request.json() if body[:1] == b"{" else None
    return report(body, parsed, getattr(request.state, "countersign", None))


for path in PATHS:
    fastapi_app.post(path)(fastapi_handler)


# Starlette, which parses before it is asked for the bytes


async def starlette_handler(request: Request) -> JSONResponse:
    chunks = [chunk async for chunk in request.stream()]
    body = b"".join(chunks)
    parsed = json.loads(body) if body[:1] == b"{" else None
    return JSONResponse(report(body, parsed, getattr(request.state, "countersign", None)))


starlette_app = Starlette(
    routes=[Route(path, starlette_handler, methods=["POST"]) for path in PATHS],
    middleware=[Middleware(countersign.asgi.WebhookMiddleware, SECRETS, **SETTINGS)],
)


# Flask

flask_app = flask.Flask("flask_app")


@flask_app.post("/<path:path>")
def flask_handler(path: str) -> dict[str, Any]:
    parsed = flask.request.get_json() if flask.request.is_json else None
    return report(flask.request.get_data(), parsed, flask.request.environ.get("countersign"))


flask_app.wsgi_app = countersign.wsgi.WebhookMiddleware(flask_app.wsgi_app, SECRETS, **SETTINGS)  # type: ignore[method-assign]


# Django


def django_handler(request: Any) -> django.http.JsonResponse:
    verdict = request.META.get("countersign") or getattr(request, "scope", {}).get("state", {}).get("countersign")
    body = request.body
    return django.http.JsonResponse(report(body, json.loads(body) if body[:1] == b"{" else None, verdict))


urlpatterns = [django.urls.path(path.removeprefix("/"), django_handler) for path in PATHS]
django.conf.settings.configure(
    ROOT_URLCONF=__name__, SECRET_KEY="x", ALLOWED_HOSTS=["*"], DATA_UPLOAD_MAX_MEMORY_SIZE=4 << 20
)
django_wsgi = countersign.wsgi.WebhookMiddleware(django.core.wsgi.get_wsgi_application(), SECRETS, **SETTINGS)
django_asgi = countersign.asgi.WebhookMiddleware(django.core.asgi.get_asgi_application(), SECRETS, **SETTINGS)
