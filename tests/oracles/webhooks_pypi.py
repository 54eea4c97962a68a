"""Vendors whose library on PyPI checks webhooks. Libraries that do not sign get what the vendor's formula signs."""

import dataclasses
import gzip
import json
from random import Random

import stripe
from box_sdk_gen.managers.webhooks import WebhooksManager
from linebot.v3.webhook import SignatureValidator
from paddle_billing.Notifications import Secret, Verifier
from slack_sdk.signature import Clock, SignatureVerifier
from stream_chat.base.exceptions import InvalidWebhookError
from stream_chat.webhook import verify_and_parse_webhook
from workos import WorkOSClient

import samples
from changes import reasons
from delivery import Delivery, Draft, Headers
from formula import Formula, ListFormula, base64_text, delivery_uuid, milliseconds, rfc3339, seconds
from traps import HEADERS_ARE_A_LIST, REPRINTED_TIME, TIME_WITH_A_SIGN, list_traps, signed_as, with_header
from vendor import hex_key, text_key
from webhook_vendor import (
    BODY_AND_TIME,
    Change,
    WebhookVendor,
    accepts,
    both_accept,
    one_by_one,
    only_library_accepts,
    only_service_accepts,
)

# Stripe


def stripe_sign(key: str, draft: Draft) -> Delivery:
    header = stripe.WebhookSignature.generate_signature_header(draft.body.decode(), key, draft.at)
    return Delivery(
        headers=(("Stripe-Signature", header),),
        body=draft.body,
        signature=header.partition(",v1=")[2],
        stamp=str(draft.at),
    )


def stripe_check(key: str, headers: Headers, delivery: Delivery) -> None:
    header = headers.get("stripe-signature")
    stripe.WebhookSignature.verify_header(delivery.body, header, key, stripe.Webhook.DEFAULT_TOLERANCE)


# Slack


def slack_sign(key: str, draft: Draft) -> Delivery:
    signature = SignatureVerifier(key, Clock()).generate_signature(timestamp=str(draft.at), body=draft.body)
    return Delivery(
        headers=(("X-Slack-Signature", signature), ("X-Slack-Request-Timestamp", str(draft.at))),
        body=draft.body,
        signature=signature.removeprefix("v0="),
        stamp=str(draft.at),
    )


def slack_check(key: str, headers: Headers, delivery: Delivery) -> bool:
    return SignatureVerifier(key, Clock()).is_valid_request(delivery.body, headers)


# LINE, Stream, Box, WorkOS, Paddle: their libraries only check.

LINE = Formula(header="X-Line-Signature", encode=base64_text)


def line_check(key: str, headers: Headers, delivery: Delivery) -> bool:
    return SignatureValidator(key).validate(delivery.body.decode(), headers["x-line-signature"])


STREAM = Formula(header="X-Signature", text=lambda parts: samples.uncompressed(parts.body))


def stream_check(key: str, headers: Headers, delivery: Delivery) -> None:
    verify_and_parse_webhook(delivery.body, headers["x-signature"], key)


def compressed(draft: Draft, rng: Random) -> Draft:
    return dataclasses.replace(draft, body=gzip.compress(draft.body, mtime=draft.at))


BOX = Formula(
    header="BOX-SIGNATURE-PRIMARY",
    text=lambda parts: parts.body + parts.stamp.encode(),
    encode=base64_text,
    stamp=rfc3339,
    stamp_header="BOX-DELIVERY-TIMESTAMP",
    id=delivery_uuid,
    id_header="BOX-DELIVERY-ID",
    beside=lambda draft: (("BOX-SIGNATURE-VERSION", "1"), ("BOX-SIGNATURE-ALGORITHM", "HmacSHA256")),
)

BOX_SECONDARY = dataclasses.replace(BOX, header="BOX-SIGNATURE-SECONDARY")
BOX_ESCAPED = dataclasses.replace(BOX, text=lambda parts: escaped(parts.body) + parts.stamp.encode())


def escaped(body: bytes) -> bytes:
    """Everything but printable ASCII as a JSON string has it, and the backslash."""
    return "".join(char if is_bare(char) else json.dumps(char)[1:-1] for char in body.decode()).encode()


def is_bare(char: str) -> bool:
    return " " <= char <= "~" and char != "\\"


def with_an_umlaut(vendor: WebhookVendor, draft: Draft, rng: Random) -> Draft:
    return dataclasses.replace(draft, body=draft.body + "ü".encode())


def box_check(key: str, headers: Headers, delivery: Delivery) -> bool:
    return WebhooksManager.validate_message(delivery.body.decode(), headers, key, secondary_key=key)


workos = WorkOSClient(api_key="an api key", client_id="a client id")

WORKOS = ListFormula(
    header="WorkOS-Signature",
    text=lambda parts: f"{parts.stamp}.".encode() + parts.body,
    stamp=milliseconds,
    stamp_name="t",
    name="v1",
    separator=", ",
)


def workos_check(key: str, headers: Headers, delivery: Delivery) -> None:
    workos.webhooks.verify_header(event_body=delivery.body, event_signature=headers["workos-signature"], secret=key)


PADDLE = ListFormula(
    header="Paddle-Signature",
    text=lambda parts: f"{parts.stamp}:".encode() + parts.body,
    stamp=seconds,
    stamp_name="ts",
    name="h1",
    separator=";",
)


class PaddleRequest:
    """What Paddle's library reads of a request."""

    def __init__(self, headers: Headers, body: bytes):
        self.headers = {"Paddle-Signature": headers["paddle-signature"]}
        self.body = body


def paddle_check(key: str, headers: Headers, delivery: Delivery) -> bool:
    return Verifier().verify(PaddleRequest(headers, delivery.body), Secret(key))


ONE_ENTRY_OF_EACH = only_service_accepts("the library wants one timestamp and one signature, and nothing else")

PYPI_VENDORS = [
    WebhookVendor(
        name="stripe",
        scheme="stripe.webhook",
        library="PyPI stripe",
        signer="the same",
        new_key=text_key("whsec_", 32),
        sign=one_by_one(stripe_sign),
        accept=accepts(stripe_check, stripe.SignatureVerificationError),
        proven=BODY_AND_TIME,
        stamp=seconds,
        past_secs=300,
        future_secs=300,
        changes=(*list_traps("v1", ","), TIME_WITH_A_SIGN),
        verdicts={
            "header twice": HEADERS_ARE_A_LIST,
            "early": only_library_accepts("this library looks into the past only; others of Stripe's do both"),
            "time with a plus sign": REPRINTED_TIME,
        },
    ),
    WebhookVendor(
        name="slack",
        scheme="slack.webhook",
        library="PyPI slack_sdk",
        signer="the same",
        new_key=hex_key(32),
        sign=one_by_one(slack_sign),
        accept=accepts(slack_check),
        proven=BODY_AND_TIME,
        stamp=seconds,
        past_secs=300,
        future_secs=300,
    ),
    WebhookVendor(
        name="line",
        scheme="line.webhook",
        library="PyPI line-bot-sdk",
        new_key=hex_key(32),
        sign=LINE.sign,
        accept=accepts(line_check),
        encoding="base64",
    ),
    WebhookVendor(
        name="stream",
        scheme="stream.webhook",
        library="PyPI stream-chat",
        new_key=text_key(),
        sign=STREAM.sign,
        accept=accepts(stream_check, InvalidWebhookError),
        bodies=samples.JSON,
    ),
    WebhookVendor(
        name="stream-gzip",
        scheme="stream.webhook",
        library="PyPI stream-chat",
        new_key=text_key(),
        sign=STREAM.sign,
        accept=accepts(stream_check, InvalidWebhookError),
        bodies=samples.JSON,
        finish=compressed,
        flip=samples.flip_compressed,
    ),
    WebhookVendor(
        name="box",
        scheme="box.webhook",
        library="PyPI box-sdk-gen",
        new_key=text_key(),
        sign=BOX.sign,
        accept=accepts(box_check),
        encoding="base64",
        proven=BODY_AND_TIME,
        stamp=rfc3339,
        exact=False,
        past_secs=600,
        future_secs=0,
        has_id=True,
        changes=(
            signed_as("signed in the secondary header", BOX_SECONDARY, both_accept("either key may have signed")),
            signed_as(
                "signed in escapes",
                BOX_ESCAPED,
                only_library_accepts("the library also tries the body with its characters escaped"),
                before=with_an_umlaut,
            ),
            Change(
                name="another version",
                after=with_header("BOX-SIGNATURE-VERSION", "2"),
                reasons=reasons("HEADER_INVALID"),
            ),
            Change(
                name="another algorithm",
                after=with_header("BOX-SIGNATURE-ALGORITHM", "HmacSHA1"),
                reasons=reasons("HEADER_INVALID"),
            ),
        ),
    ),
    WebhookVendor(
        name="workos",
        scheme="workos.webhook",
        library="PyPI workos",
        new_key=text_key(),
        sign=WORKOS.sign,
        accept=accepts(workos_check, ValueError),
        proven=BODY_AND_TIME,
        stamp=milliseconds,
        past_secs=180,
        future_secs=300,
        library_future_secs=180,
        changes=list_traps("v1", ", "),
        verdicts={
            "a wrong signature first": ONE_ENTRY_OF_EACH,
            "a wrong signature last": ONE_ENTRY_OF_EACH,
            "an unknown entry": ONE_ENTRY_OF_EACH,
            "an unknown version alone": only_library_accepts("the library does not look at the names of the entries"),
        },
    ),
    WebhookVendor(
        name="paddle",
        scheme="paddle.webhook",
        library="PyPI paddle-python-sdk",
        new_key=text_key("pdl_ntfset_"),
        sign=PADDLE.sign,
        accept=accepts(paddle_check, ValueError),
        proven=BODY_AND_TIME,
        stamp=seconds,
        past_secs=5,
        future_secs=300,
        library_future_secs=5,
        changes=list_traps("h1", ";"),
        verdicts={"an unknown entry": only_service_accepts("the library raises on entries that it does not know")},
    ),
]
