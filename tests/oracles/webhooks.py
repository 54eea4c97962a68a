"""The vendors of webhooks: how each signs a delivery, and how its library or sample code checks one."""

import atexit
import functools
import hashlib
import hmac
import json
import os
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from random import Random

import standardwebhooks
import stripe
import svix.webhooks
from countersign.v1 import secret_pb2
from google.protobuf.duration_pb2 import Duration
from slack_sdk.signature import Clock, SignatureVerifier

from sample_code import hex_hmac_sha256
from samples import letters
from vendor import Vendor, base64_key, hex_key, text_key

Headers = dict[str, str]

# Stripe, Svix, Standard Webhooks and Slack: 300 s in their libraries. Chatwoot advises about 5 minutes.
WINDOW_SECS = 300


@dataclass(frozen=True, kw_only=True)
class WebhookVendor(Vendor):
    """A vendor of webhooks."""

    # Signs a body at a Unix time: the headers that the vendor would send.
    sign: Callable[[str, bytes, int, Random], Headers]
    # Whether the vendor's library, or its sample code, accepts a delivery now.
    accept: Callable[[str, Headers, bytes], bool]
    # What the signature covers, by the names of ProvenPart.
    proven: frozenset[str]
    # How old, and how early, a delivery may be; None: its age is not checked.
    window_secs: int | None = None
    # Whether the library itself refuses deliveries that are too old, too early.
    library_refuses_old: bool = False
    library_refuses_early: bool = False
    # Whether signed_time is known: the timestamp is signed and its unit is known.
    states_time: bool = False
    # The header that carries the delivery id.
    id_header: str | None = None
    # Whether the library takes bodies that are not text, and empty ones.
    binary: bool = False
    empty: bool = True


BODY = frozenset({"BODY"})
BODY_AND_TIME = BODY | {"TIMESTAMP"}
BODY_TIME_AND_ID = BODY_AND_TIME | {"ID"}


def text_equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def accepts(check: Callable[..., object], *refusals: type[Exception]) -> Callable[..., bool]:
    """Libraries answer False or raise on a refusal; those that want text also raise on a body that is none."""

    def accept(*delivery) -> bool:
        try:
            return check(*delivery) is not False
        except (*refusals, UnicodeDecodeError):
            return False

    return accept


# Stripe: PyPI stripe.


def stripe_sign(key: str, body: bytes, at: int, rng: Random) -> Headers:
    return {"Stripe-Signature": stripe.WebhookSignature.generate_signature_header(body.decode(), key, at)}


def stripe_check(key: str, headers: Headers, body: bytes) -> None:
    stripe.WebhookSignature.verify_header(body, headers["stripe-signature"], key, stripe.Webhook.DEFAULT_TOLERANCE)


# Standard Webhooks: PyPI standardwebhooks, and PyPI svix with Svix's own header names.


def standard_sign(library: type, prefix: str, key: str, body: bytes, at: int, rng: Random) -> Headers:
    delivery_id = f"msg_{letters(rng, 27)}"
    signature = library(key).sign(delivery_id, datetime.fromtimestamp(at, timezone.utc), body.decode())
    return {f"{prefix}-id": delivery_id, f"{prefix}-timestamp": str(at), f"{prefix}-signature": signature}


def standard_check(key: str, headers: Headers, body: bytes) -> None:
    standardwebhooks.Webhook(key).verify(body, headers, json_parse=False)


def svix_check(key: str, headers: Headers, body: bytes) -> None:
    svix.webhooks.Webhook(key).verify(body, headers)


# Slack: PyPI slack_sdk.


def slack_sign(key: str, body: bytes, at: int, rng: Random) -> Headers:
    signature = SignatureVerifier(key, Clock()).generate_signature(timestamp=str(at), body=body)
    return {"X-Slack-Signature": signature, "X-Slack-Request-Timestamp": str(at)}


def slack_check(key: str, headers: Headers, body: bytes) -> bool:
    return SignatureVerifier(key, Clock()).is_valid_request(body, headers)


# GitHub: npm @octokit/webhooks-methods, beside the SHA-1 header that GitHub still sends.


@functools.cache
def octokit_process() -> subprocess.Popen:
    """One process of the library for the whole run; it ends when its input does."""
    script = os.path.join(os.environ["ORACLES_WORK"], "node", "octokit.mjs")
    process = subprocess.Popen(["node", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    atexit.register(process.communicate)
    return process


def octokit(call: str, *args: str):
    process = octokit_process()
    process.stdin.write(json.dumps({"call": call, "args": args}).encode() + b"\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())["result"]


def github_sign(key: str, body: bytes, at: int, rng: Random) -> Headers:
    return {
        "X-GitHub-Event": "issues",
        "X-GitHub-Delivery": delivery_uuid(rng),
        "X-Hub-Signature": "sha1=" + hmac.new(key.encode(), body, hashlib.sha1).hexdigest(),
        "X-Hub-Signature-256": octokit("sign", key, body.decode()),
    }


def github_check(key: str, headers: Headers, body: bytes) -> bool:
    return octokit("verify", key, body.decode(), headers["x-hub-signature-256"])


def delivery_uuid(rng: Random) -> str:
    return str(uuid.UUID(bytes=rng.randbytes(16), version=4))


# Chatwoot, Pylon and TalkJS have no library: the calls of their sample code.


def chatwoot_signature(key: str, timestamp: str, body: bytes) -> str:
    return "sha256=" + hex_hmac_sha256(key.encode(), timestamp.encode() + b"." + body)


def chatwoot_sign(key: str, body: bytes, at: int, rng: Random) -> Headers:
    return {
        "X-Chatwoot-Signature": chatwoot_signature(key, str(at), body),
        "X-Chatwoot-Timestamp": str(at),
        "X-Chatwoot-Delivery": delivery_uuid(rng),
    }


def chatwoot_accept(key: str, headers: Headers, body: bytes) -> bool:
    expected = chatwoot_signature(key, headers["x-chatwoot-timestamp"], body)
    return text_equal(headers["x-chatwoot-signature"], expected)


def pylon_sign(key: str, body: bytes, at: int, rng: Random) -> Headers:
    return {"X-Pylon-Signature": hex_hmac_sha256(key.encode(), body)}


def pylon_accept(key: str, headers: Headers, body: bytes) -> bool:
    return text_equal(headers["x-pylon-signature"], hex_hmac_sha256(key.encode(), body))


def talkjs_signature(key: str, timestamp: str, body: bytes) -> str:
    return hex_hmac_sha256(key.encode(), timestamp.encode() + b"." + body).upper()


def talkjs_sign(key: str, body: bytes, at: int, rng: Random) -> Headers:
    timestamp = str(at * 1000)
    return {"X-TalkJS-Timestamp": timestamp, "X-TalkJS-Signature": talkjs_signature(key, timestamp, body)}


def talkjs_accept(key: str, headers: Headers, body: bytes) -> bool:
    expected = talkjs_signature(key, headers["x-talkjs-timestamp"], body)
    return text_equal(headers["x-talkjs-signature"], expected)


TALKJS = {
    "scheme": "talkjs.webhook",
    "sign": talkjs_sign,
    "accept": talkjs_accept,
    "proven": BODY_AND_TIME,
    "binary": True,
}

STANDARD = {
    "scheme": "standard.webhook",
    "new_key": base64_key("whsec_"),
    "proven": BODY_TIME_AND_ID,
    "window_secs": WINDOW_SECS,
    "library_refuses_old": True,
    "library_refuses_early": True,
    "states_time": True,
}

WEBHOOK_VENDORS = [
    WebhookVendor(
        name="stripe",
        scheme="stripe.webhook",
        new_key=text_key("whsec_", 32),
        sign=stripe_sign,
        accept=accepts(stripe_check, stripe.SignatureVerificationError),
        proven=BODY_AND_TIME,
        window_secs=WINDOW_SECS,
        library_refuses_old=True,
        states_time=True,
    ),
    WebhookVendor(
        name="standardwebhooks",
        sign=functools.partial(standard_sign, standardwebhooks.Webhook, "webhook"),
        accept=accepts(standard_check, standardwebhooks.WebhookVerificationError),
        id_header="webhook-id",
        **STANDARD,
    ),
    WebhookVendor(
        name="svix",
        sign=functools.partial(standard_sign, svix.webhooks.Webhook, "svix"),
        accept=accepts(svix_check, svix.webhooks.WebhookVerificationError),
        id_header="svix-id",
        **STANDARD,
    ),
    WebhookVendor(
        name="slack",
        scheme="slack.webhook",
        new_key=hex_key(32),
        sign=slack_sign,
        accept=accepts(slack_check),
        proven=BODY_AND_TIME,
        window_secs=WINDOW_SECS,
        library_refuses_old=True,
        library_refuses_early=True,
        states_time=True,
    ),
    WebhookVendor(
        name="github",
        scheme="github.webhook",
        new_key=text_key(),
        sign=github_sign,
        accept=accepts(github_check),
        proven=BODY,
        id_header="x-github-delivery",
        empty=False,
    ),
    WebhookVendor(
        name="chatwoot-webhook",
        scheme="chatwoot.webhook",
        new_key=text_key(),
        sign=chatwoot_sign,
        accept=chatwoot_accept,
        proven=BODY_AND_TIME,
        window_secs=WINDOW_SECS,
        states_time=True,
        id_header="x-chatwoot-delivery",
        binary=True,
    ),
    WebhookVendor(
        name="pylon-webhook",
        scheme="pylon.webhook",
        new_key=text_key(),
        sign=pylon_sign,
        accept=pylon_accept,
        proven=BODY,
        binary=True,
    ),
    WebhookVendor(name="talkjs-webhook", new_key=text_key("sk_live_"), **TALKJS),
    WebhookVendor(
        name="talkjs-webhook-with-window",
        new_key=text_key("sk_live_"),
        options={
            "tolerance": Duration(seconds=WINDOW_SECS),
            "timestamp_unit": secret_pb2.TIMESTAMP_UNIT_MILLISECONDS,
        },
        window_secs=WINDOW_SECS,
        states_time=True,
        **TALKJS,
    ),
]
