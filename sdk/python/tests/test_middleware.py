"""The middlewares in real servers, with deliveries made by the vendors' own libraries."""

import asyncio
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stripe
from fastapi import FastAPI
from recorder import recorder
from serving import Answer, Site, as_json, chunks, serving
from slack_sdk.signature import SignatureVerifier

import countersign.asgi
import countersign.wsgi
from countersign import AsyncCountersign, Countersign
from countersign.middleware import Guard
from countersign.v1 import countersign_pb2 as pb

Headers = dict[str, str]

APPS = {
    "fastapi on uvicorn": ("uvicorn", "apps.on_fastapi:app"),
    "starlette on uvicorn": ("uvicorn", "apps.on_starlette:app"),
    "django on uvicorn": ("uvicorn", "apps.on_django:asgi_app"),
    "flask on gunicorn": ("gunicorn", "apps.on_flask:app"),
    "flask on waitress": ("waitress", "apps.on_flask:app"),
    "django on gunicorn": ("gunicorn", "apps.on_django:wsgi_app"),
}
TESTS = Path(__file__).parent
STRIPE_KEY = "whsec_" + secrets.token_hex(16)
SLACK_KEY = secrets.token_hex(16)
RUN = secrets.token_hex(8)
SECRETS = {f"/{vendor}": f"demo/py-{vendor}-{RUN}" for vendor in ("stripe", "slack", "github", "twilio", "monday")}


@pytest.fixture(scope="session")
def client() -> Iterator[Countersign]:
    with Countersign() as client:
        client.create_secret(SECRETS["/stripe"], "stripe.webhook", imported_key=STRIPE_KEY)
        client.create_secret(SECRETS["/slack"], "slack.webhook", imported_key=SLACK_KEY)
        client.create_secret(SECRETS["/github"], "github.webhook")
        client.create_secret(SECRETS["/twilio"], "twilio.webhook", imported_key=secrets.token_hex(16))
        client.create_secret(SECRETS["/monday"], "monday.webhook", imported_key=secrets.token_hex(16))
        yield client


@pytest.fixture(scope="session", params=APPS)
def site(
    request: pytest.FixtureRequest, client: Countersign, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    server, app = APPS[request.param]
    log = tmp_path_factory.mktemp("site") / "log"
    with serving(server, app, TESTS, log, APP_SECRETS=json.dumps(SECRETS)) as site:
        yield site


def stripe_headers(body: bytes, key: str = STRIPE_KEY) -> Headers:
    header = stripe.WebhookSignature.generate_signature_header(body.decode(), key, int(time.time()))
    return {"Stripe-Signature": header, "Content-Type": "application/json"}


def slack_headers(body: bytes, content_type: str = "application/json") -> Headers:
    stamp = str(int(time.time()))
    signature = SignatureVerifier(SLACK_KEY).generate_signature(timestamp=stamp, body=body)
    assert signature
    return {"X-Slack-Signature": signature, "X-Slack-Request-Timestamp": stamp, "Content-Type": content_type}


def event(size: int = 0) -> bytes:
    """JSON that no parser would print again like this, with text beyond ASCII."""
    body = '{ "object":"event",  "name": "Zoë \U0001f44b grün", "id": "%s", "pad": "' % secrets.token_hex(8)  # noqa: UP031
    return body.encode() + b"x" * (size - len(body.encode()) - 3) + b'"}\n'


def assert_handed_on(answer: Answer, body: bytes) -> None:
    assert answer.status == 200, answer.body
    said = as_json(answer)
    assert said["sha256"] == hashlib.sha256(body).hexdigest()
    assert said["proven"]


VENDORS = {"/stripe": stripe_headers, "/slack": slack_headers}


@pytest.mark.parametrize("path", VENDORS)
@pytest.mark.parametrize("size", [0, 100_000, 1 << 20])
@pytest.mark.parametrize("sent", [bytes, chunks], ids=["whole", "chunked"])
def test_a_genuine_delivery_is_handed_on(site: Site, path: str, size: int, sent: Callable[..., Any]) -> None:
    body = event(size)
    answer = site.post(path, sent(body), VENDORS[path](body))
    assert_handed_on(answer, body)
    assert as_json(answer)["parsed"] == json.loads(body)
    assert as_json(answer)["proven"] == ["BODY", "TIMESTAMP"]


@pytest.mark.parametrize("sent", [bytes, chunks], ids=["whole", "chunked"])
def test_bytes_that_are_no_text_are_handed_on(site: Site, client: Countersign, sent: Callable[..., Any]) -> None:
    body = bytes(range(256)) * 64
    headers = dict(client.sign(SECRETS["/github"], webhook=pb.WebhookToSign(body=body)).headers)
    assert_handed_on(site.post("/github", sent(body), headers), body)


@pytest.mark.parametrize("path", VENDORS)
@pytest.mark.parametrize("sent", [bytes, chunks], ids=["whole", "chunked"])
def test_a_tampered_delivery_is_refused_with_its_reason(site: Site, path: str, sent: Callable[..., Any]) -> None:
    body = event()
    reprinted = json.dumps(json.loads(body)).encode()
    for other in (body + b" ", reprinted, b""):
        answer = site.post(path, sent(other), VENDORS[path](body))
        assert answer.status == 401
        assert as_json(answer) == {"error": "webhook_refused", "reason": "SIGNATURE_MISMATCH"}
        assert answer.headers["content-type"] == "application/json"


def test_a_delivery_without_a_signature_or_of_another_key_is_refused(site: Site) -> None:
    body = event()
    answer = site.post("/stripe", body, {})
    assert (answer.status, as_json(answer)["reason"]) == (401, "HEADER_MISSING")
    answer = site.post("/stripe", body, stripe_headers(body, "whsec_" + "0" * 32))
    assert (answer.status, as_json(answer)["reason"]) == (401, "SIGNATURE_MISMATCH")


@pytest.mark.parametrize("sent", [bytes, chunks], ids=["whole", "chunked"])
def test_a_body_over_the_limit_is_too_large(site: Site, sent: Callable[..., Any]) -> None:
    body = event((1 << 20) + 1)
    answer = site.post("/stripe", sent(body), stripe_headers(body))
    assert (answer.status, as_json(answer)) == (413, {"error": "body_too_large"})


def test_a_handshake_is_answered(site: Site) -> None:
    body = b'{"type":"url_verification","challenge":"3eZbrw1aB10"}'
    answer = site.post("/slack", body, slack_headers(body))
    assert answer.status == 200
    assert b"3eZbrw1aB10" in answer.body
    assert b"sha256" not in answer.body, "it is no event"


def test_other_paths_are_left_alone(site: Site) -> None:
    body = event((1 << 20) + 1)
    answer = site.post("/open", body, {"Content-Type": "application/json"})
    assert as_json(answer)["sha256"] == hashlib.sha256(body).hexdigest()
    assert as_json(answer)["proven"] is None


def test_the_url_of_the_request_is_sent(site: Site, client: Countersign) -> None:
    body, form = b"CallSid=CA1&From=%2B1", [pb.Header(name="content-type", value="application/x-www-form-urlencoded")]
    path = "/%74wilio?a=%C3%BC&b=1%2F2"  # not as a parser would write it again
    public = "https://public.example/hook"
    for url, registered in ((f"http://127.0.0.1:{site.port}{path}", {}), (public, {"X-Registered": public})):
        delivery = pb.WebhookToSign(body=body, url=url, headers=form)
        headers = {"Content-Type": form[0].value, **dict(client.sign(SECRETS["/twilio"], webhook=delivery).headers)}
        assert_handed_on(site.post(path, body, {**headers, **registered}), body)
        assert site.post("/twilio?a=1", body, headers).status == 401


def test_authorization_is_sent_where_it_is_asked_for(site: Site, client: Countersign) -> None:
    body = event()
    delivery = pb.WebhookToSign(body=body, url=f"http://127.0.0.1:{site.port}/monday")
    headers = dict(client.sign(SECRETS["/monday"], webhook=delivery).headers)
    assert "authorization" in {name.lower() for name in headers}
    assert site.post("/monday", body, headers).status == 200
    assert site.post("/monday", body, {}).status == 401


@pytest.mark.parametrize("app", ["fastapi on uvicorn", "flask on gunicorn"])
def test_an_outage_is_no_verdict(app: str, client: Countersign, tmp_path: Path) -> None:
    body = event()
    variables = {"APP_SECRETS": json.dumps(SECRETS), "COUNTERSIGN_SERVER": "http://127.0.0.1:1"}
    with serving(*APPS[app], TESTS, tmp_path / "log", **variables) as site:
        answer = site.post("/stripe", body, stripe_headers(body))
        assert (answer.status, as_json(answer)) == (503, {"error": "verification_unavailable"})
        assert answer.headers["retry-after"] == "1"
        assert site.post("/open", body, {}).status == 200
    log = (tmp_path / "log").read_text()
    assert "no verdict on a webhook" in log
    assert "Zo" not in log


def test_a_secret_that_is_not_there_is_no_verdict(client: Countersign, tmp_path: Path) -> None:
    body = event()
    with serving(*APPS["flask on waitress"], TESTS, tmp_path / "log", APP_SECRETS='{"/stripe":"demo/none"}') as site:
        assert site.post("/stripe", body, stripe_headers(body)).status == 503
    assert "SECRET_NOT_FOUND" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("app", ["fastapi on uvicorn", "flask on waitress"])
def test_what_no_vendor_sends_is_the_senders_fault_and_no_outage(app: str, client: Countersign, tmp_path: Path) -> None:
    body = event()
    with serving(*APPS[app], TESTS, tmp_path / "log", APP_SECRETS=json.dumps(SECRETS)) as site:
        answer = site.post("/stripe?" + "a" * 8192, body, stripe_headers(body))
        assert (answer.status, as_json(answer)) == (400, {"error": "webhook_malformed", "field": "url"})
        assert "retry-after" not in answer.headers
    assert "no verdict" not in (tmp_path / "log").read_text()


def test_a_path_is_guarded_with_or_without_a_slash_at_its_end() -> None:
    guard = Guard({"/hook": "a/b", "/other/": "c/d"})
    assert guard.secret_for("/hook") == guard.secret_for("/hook/") == "a/b"
    assert guard.secret_for("/other") == guard.secret_for("/other/") == "c/d"
    assert guard.secret_for("/hooks") is guard.secret_for("/") is None
    assert Guard("a/b").secret_for("/anything") == "a/b"


def test_a_path_is_guarded_wherever_the_app_is_mounted(client: Countersign) -> None:
    guard = Guard({"/hook": "a/b"})
    for path, prefix in (("/api/hook", "/api"), ("/hook", "/api"), ("/hook", "/hook")):
        assert guard.secret_for(path, prefix) == "a/b", (path, prefix)
    assert Guard({"/api/hook": "a/b"}).secret_for("/hook", "/api") == "a/b"
    assert guard.secret_for("/apihook", "/api") is None
    # What some router or server takes for the same path.
    for path in ("/hook\n", "//hook", "/hook//", "/hook ", "/HOOK"):
        assert guard.secret_for(path) == "a/b", path

    def handler(environ: Any, start_response: Any) -> Any:
        raise AssertionError("a delivery that nobody signed")

    wsgi = countersign.wsgi.WebhookMiddleware(handler, {"/hook": "demo/stripe-webhook"}, client=client)
    statuses: list[str] = []
    environ = {"SCRIPT_NAME": "/api", "PATH_INFO": "/hook", "REQUEST_METHOD": "POST", "CONTENT_LENGTH": "0"}
    environ |= {"wsgi.url_scheme": "http", "SERVER_NAME": "a", "SERVER_PORT": "80"}
    list(wsgi(environ, lambda status, headers: statuses.append(status)))
    assert statuses == ["401 Unauthorized"]


@pytest.mark.parametrize("mounted", ["by its server", "in another app"])
def test_an_unsigned_delivery_to_a_mounted_app_is_refused(mounted: str, client: Countersign) -> None:
    inner = FastAPI()
    inner.add_middleware(countersign.asgi.WebhookMiddleware, secret={"/hook": "demo/stripe-webhook"})
    inner.post("/hook")(lambda: "forged")
    outer = inner
    if mounted == "in another app":
        outer = FastAPI()
        outer.mount("/api", inner)
    scope = {"type": "http", "method": "POST", "path": "/api/hook", "query_string": b"", "headers": []}
    prefix = "" if mounted == "in another app" else "/api"
    sent = asyncio.run(one_call(outer, scope | {"root_path": prefix}))
    assert sent[0]["status"] == 401


async def one_call(app: Any, scope: dict[str, Any]) -> list[Any]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def run_asgi(scope: dict[str, Any], *received: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """What an app of one secret got, and what was sent."""
    handed: list[Any] = []
    sent: list[Any] = []
    parts = iter(received)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        handed.append(scope)

    async def receive() -> Any:
        return next(parts)

    async def send(message: Any) -> None:
        sent.append(message)

    with recorder(pb.VerifyWebhookResponse(decision=pb.DECISION_ALLOW)) as seen:
        guarded = countersign.asgi.WebhookMiddleware(app, "a/b", client=AsyncCountersign(seen.url))
        asyncio.run(guarded(scope, receive, send))
    return handed, sent


def test_a_sender_who_hangs_up_reaches_no_handler() -> None:
    scope = {"type": "http", "path": "/", "method": "POST", "headers": [], "query_string": b""}
    part = {"type": "http.request", "body": b"{", "more_body": True}
    assert run_asgi(scope, part, {"type": "http.disconnect"})[0] == []
    assert len(run_asgi(scope, part, {**part, "more_body": False})[0]) == 1


def test_a_web_socket_is_no_webhook_and_a_start_is_not_its_business() -> None:
    assert run_asgi({"type": "websocket", "path": "/"}) == ([], [{"type": "websocket.close", "code": 1008}])
    assert len(run_asgi({"type": "lifespan"})[0]) == 1
