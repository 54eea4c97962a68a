"""Django, behind WSGI and behind ASGI."""

from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path as route

from apps import CREDENTIALS, PATHS, SECRETS, asgi_url, parsed_json, report, wsgi_url
from countersign import asgi, wsgi


def handler(request: Any) -> JsonResponse:
    verdict = request.META.get("countersign") or getattr(request, "scope", {}).get("state", {}).get("countersign")
    return JsonResponse(report(request.body, parsed_json(request.body), verdict))


urlpatterns = [route(path.removeprefix("/"), handler) for path in PATHS]
settings.configure(ROOT_URLCONF=__name__, SECRET_KEY="x", ALLOWED_HOSTS=["*"], DATA_UPLOAD_MAX_MEMORY_SIZE=4 << 20)
wsgi_app = wsgi.WebhookMiddleware(get_wsgi_application(), SECRETS, url=wsgi_url, credential_headers=CREDENTIALS)
asgi_app = asgi.WebhookMiddleware(get_asgi_application(), SECRETS, url=asgi_url, credential_headers=CREDENTIALS)
