"""Vendors whose library on npm checks webhooks. Libraries that do not sign get what the vendor's formula signs."""

import dataclasses
import hashlib
import hmac
import json
from collections.abc import Callable
from random import Random

import node
import samples
from changes import reasons
from delivery import Delivery, Draft
from formula import Formula, base64_text, delivery_uuid, milliseconds, seconds, utc
from traps import EMPTY_BODY, HEADERS_ARE_A_LIST, indented_after, indented_before, list_traps, signed_as
from vendor import hex_key, text_key
from webhook_vendor import (
    BODY_AND_TIME,
    Change,
    Sign,
    WebhookVendor,
    both_accept,
    one_by_one,
    only_library_accepts,
    only_service_accepts,
)
from webhooks_pypi import (
    PADDLE,
)

# GitHub, beside the SHA-1 header that it still sends


def github_sign(key: str, drafts: list[Draft]) -> list[Delivery]:
    return [github_delivery(key, draft, made) for draft, made in zip(drafts, node.ask("sign", "github", key, drafts))]


def github_delivery(key: str, draft: Draft, signature: str) -> Delivery:
    id = delivery_uuid(draft)
    return Delivery(
        headers=(
            ("X-GitHub-Event", "issues"),
            ("X-GitHub-Delivery", id),
            ("X-Hub-Signature", "sha1=" + hmac.new(key.encode(), draft.body, hashlib.sha1).hexdigest()),
            ("X-Hub-Signature-256", signature),
        ),
        body=draft.body,
        signature=signature.removeprefix("sha256="),
        id=id,
    )


# The library refuses to sign an empty body.
GITHUB = Formula(header="X-Hub-Signature-256", prefix="sha256=")

SHOPIFY = Formula(
    header="X-Shopify-Hmac-Sha256",
    encode=base64_text,
    id=delivery_uuid,
    id_header="X-Shopify-Webhook-Id",
)

# The library insists on these, which are not signed.
SHOPIFY_HEADERS = (
    ("X-Shopify-Topic", "orders/create"),
    ("X-Shopify-Shop-Domain", "an-example.myshopify.com"),
    ("X-Shopify-API-Version", "2026-07"),
)

SHOPIFY_EVENT = dataclasses.replace(
    SHOPIFY,
    header="shopify-hmac-sha256",
    id_header="shopify-webhook-id",
    beside=lambda draft: (
        ("shopify-topic", "Product"),
        ("shopify-shop-domain", "an-example.myshopify.com"),
        ("shopify-api-version", "2026-07"),
        ("shopify-event-id", delivery_uuid(draft)),
    ),
)

# Linear and Plain: the time is a field of the signed body.


def with_body(draft: Draft, event: dict, rng: Random) -> Draft:
    style = rng.choice([{"separators": (",", ":")}, {"ensure_ascii": False}, {"indent": 2}])
    return dataclasses.replace(draft, body=json.dumps(event, **style).encode())


def linear_event(draft: Draft, rng: Random) -> Draft:
    event = {"action": "create", "type": "Issue", "data": samples.value(rng), "webhookTimestamp": draft.at_ms}
    return with_body(draft, event, rng)


def stamped_in_body(formula: Formula, stamp: Callable[[int], str]) -> Sign:
    return one_by_one(lambda key, draft: dataclasses.replace(formula.deliver(key, draft), stamp=stamp(draft.at_ms)))


LINEAR = Formula(header="Linear-Signature")
PLAIN = Formula(header="Plain-Request-Signature")


def without_time(vendor: WebhookVendor, draft: Draft, rng: Random) -> Draft:
    event = json.loads(draft.body)
    del event["webhookTimestamp"]
    return with_body(draft, event, rng)


def time_as_text(vendor: WebhookVendor, draft: Draft, rng: Random) -> Draft:
    return with_body(draft, json.loads(draft.body) | {"webhookTimestamp": str(draft.at_ms)}, rng)


def plain_id(prefix: str, rng: Random) -> str:
    return f"{prefix}_{''.join(rng.choices('0123456789ABCDEFGHJKMNPQRSTVWXYZ', k=26))}"


def plain_event(draft: Draft, rng: Random) -> Draft:
    """An event in the shape that Plain's library insists on. Its other times are older."""
    workspace, created = plain_id("w", rng), {"createdAt": utc(0), "createdBy": {"actorType": "system", "system": "a"}}
    group = {"id": plain_id("cg", rng), "workspaceId": workspace, "key": "vip", "name": rng.choice(samples.NAMES)}
    updated = {"updatedAt": utc(0), "updatedBy": created["createdBy"], "color": "#ff0000"}
    event = {
        "timestamp": utc(0),
        "workspaceId": workspace,
        "payload": {
            "eventType": "customer.customer_group_changed",
            "changeType": "ADDED",
            "customerGroup": group | created | updated,
            "more": samples.value(rng),
        },
        "id": plain_id("pEv", rng),
        "webhookMetadata": {
            "webhookTargetId": plain_id("whTarget", rng),
            "webhookTargetVersion": "2026-02-27",
            "webhookDeliveryAttemptId": plain_id("whAttempt", rng),
            "webhookDeliveryAttemptNumber": 1,
            "webhookDeliveryAttemptTimestamp": utc(draft.at_ms),
        },
        "type": "customer.customer_group_changed",
    }
    return with_body(draft, event, rng)


# Zoom and Crisp: their libraries parse the body and sign what they print of it.

ZOOM = Formula(
    header="x-zm-signature",
    prefix="v0=",
    text=lambda parts: f"v0:{parts.stamp}:".encode() + parts.body,
    stamp=seconds,
    stamp_header="x-zm-request-timestamp",
)

CRISP = Formula(
    header="X-Crisp-Signature",
    text=lambda parts: f"[{parts.stamp};".encode() + compact(parts.body) + b"]",
    stamp=milliseconds,
    stamp_header="X-Crisp-Request-Timestamp",
)


def compact(body: bytes) -> bytes:
    """The body as JavaScript prints what it parses: these bodies hold no numbers that Python prints otherwise."""
    return json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()


LAST_COUNTS = only_service_accepts("the library looks at the last signature alone")

NPM_VENDORS = [
    WebhookVendor(
        name="github",
        scheme="github.webhook",
        library="npm @octokit/webhooks-methods",
        signer="the same",
        new_key=text_key(),
        sign=github_sign,
        accept=node.accept("github"),
        has_id=True,
        bodies=samples.NOT_EMPTY,
        changes=(dataclasses.replace(EMPTY_BODY, sign=GITHUB.sign),),
    ),
    WebhookVendor(
        name="paddle-node",
        scheme="paddle.webhook",
        library="npm @paddle/paddle-node-sdk",
        new_key=text_key("pdl_ntfset_"),
        sign=PADDLE.sign,
        accept=node.accept("paddle"),
        proven=BODY_AND_TIME,
        stamp=seconds,
        past_secs=5,
        future_secs=300,
        changes=list_traps("h1", ";"),
        verdicts={
            "early": only_library_accepts("this library looks into the past only; Paddle's in Python does both"),
            "header twice": HEADERS_ARE_A_LIST,
            "a wrong signature last": LAST_COUNTS,
        },
    ),
    WebhookVendor(
        name="shopify",
        scheme="shopify.webhook",
        library="npm @shopify/shopify-api",
        new_key=hex_key(32),
        sign=SHOPIFY.sign,
        accept=node.accept("shopify"),
        encoding="base64",
        has_id=True,
        headers=lambda rng: SHOPIFY_HEADERS,
        bodies=samples.NOT_EMPTY,
        changes=(
            EMPTY_BODY,
            signed_as(
                "signed under newer header names", SHOPIFY_EVENT, both_accept("Shopify's newer events have them")
            ),
        ),
    ),
    WebhookVendor(
        name="linear",
        scheme="linear.webhook",
        library="npm @linear/sdk",
        new_key=text_key("lin_wh_"),
        sign=stamped_in_body(LINEAR, milliseconds),
        accept=node.accept("linear"),
        proven=BODY_AND_TIME,
        stamp=milliseconds,
        past_secs=60,
        future_secs=60,
        finish=linear_event,
        changes=(
            Change(name="no time in the body", before=without_time, reasons=reasons("TIMESTAMP_MISSING")),
            Change(
                name="the time as text",
                before=time_as_text,
                verdicts=lambda vendor: only_service_accepts("the library insists on a JSON number"),
            ),
        ),
    ),
    WebhookVendor(
        name="plain",
        scheme="plain.webhook",
        library="npm @team-plain/typescript-sdk",
        new_key=text_key("plainWebhookSecret_"),
        sign=stamped_in_body(PLAIN, utc),
        accept=node.accept("plain"),
        proven=BODY_AND_TIME,
        stamp=utc,
        past_secs=300,
        future_secs=300,
        finish=plain_event,
    ),
    WebhookVendor(
        name="zoom",
        scheme="zoom.webhook",
        library="npm @zoom/rivet",
        new_key=text_key(length=22),
        sign=ZOOM.sign,
        accept=node.accept("zoom"),
        proven=BODY_AND_TIME,
        stamp=seconds,
        states_time=False,
        exact=False,
        bodies=(samples.PLAIN_COMPACT,),
        changes=(
            indented_before(only_service_accepts("the library signs what it prints, not what came")),
            indented_after(only_library_accepts("the library signs what it prints, not what came")),
        ),
    ),
    WebhookVendor(
        name="crisp",
        scheme="crisp.webhook",
        library="npm crisp-api",
        new_key=hex_key(64),
        sign=CRISP.sign,
        accept=node.accept("crisp"),
        proven=BODY_AND_TIME,
        stamp=milliseconds,
        states_time=False,
        bodies=(samples.PLAIN_COMPACT, samples.PLAIN_SPACED, samples.PLAIN_INDENTED),
        changes=(indented_after(both_accept("Crisp signs JSON without the white space between its tokens")),),
    ),
]
