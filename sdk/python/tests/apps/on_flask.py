"""Flask, whose handler parses the body before it asks for the bytes."""

from typing import Any

from flask import Flask, request

from apps import CREDENTIALS, SECRETS, report, wsgi_url
from countersign.wsgi import WebhookMiddleware

app = Flask(__name__)


@app.post("/<path:path>")
def handler(path: str) -> dict[str, Any]:
    parsed = request.get_json() if request.is_json else None
    return report(request.get_data(), parsed, request.environ.get("countersign"))


app.wsgi_app = WebhookMiddleware(  # type: ignore[method-assign]
    app.wsgi_app, SECRETS, url=wsgi_url, credential_headers=CREDENTIALS
)
