"""Vendors without a library that checks: the formula of their pages, and PyPI PyJWT where they send a JWT."""

import dataclasses
import functools
import json
import urllib.parse
from random import Random

import jwt
from countersign.v1 import secret_pb2
from google.protobuf.duration_pb2 import Duration

import samples
from changes import YEAR_SECS, reasons
from delivery import Delivery, Draft, Headers
from formula import (
    Formula,
    ListFormula,
    base64_text,
    delivery_uuid,
    hmac_sha1,
    hmac_sha256,
    milliseconds,
    rfc3339,
    seconds,
    text_equal,
    upper_hexadecimal,
)
from traps import BODY_IS_NOT_SIGNED, list_traps, unsigned
from vendor import hex_key, text_key
from webhook_vendor import BODY_AND_TIME, Change, WebhookVendor, accepts, both_accept, one_by_one
from webhooks_public_key import plaid_check, plaid_confused_sign, plaid_key, plaid_sign


def formula(name: str, scheme: str, formula: Formula, **row) -> WebhookVendor:
    """The row of a vendor whose formula is all there is."""
    row = {"new_key": text_key(), "bodies": samples.ANYTHING, "encoding": encoding_of(formula)} | row
    if formula.stamp_header:
        row = {"proven": BODY_AND_TIME, "stamp": formula.stamp} | row
    return WebhookVendor(name=name, scheme=scheme, sign=formula.sign, accept=formula.accept, **row)


def encoding_of(formula: Formula) -> str:
    return {base64_text: "base64", upper_hexadecimal: "HEX"}.get(formula.encode, "hex")


def body_only(name: str, header: str, prefix: str = "", **row) -> WebhookVendor:
    """The commonest shape: a hexadecimal HMAC of the body."""
    return formula(name, f"{name}.webhook", Formula(header=header, prefix=prefix), **row)


CHATWOOT = Formula(
    header="X-Chatwoot-Signature",
    prefix="sha256=",
    text=lambda parts: f"{parts.stamp}.".encode() + parts.body,
    stamp=seconds,
    stamp_header="X-Chatwoot-Timestamp",
    id=delivery_uuid,
    id_header="X-Chatwoot-Delivery",
)

TALKJS = Formula(
    header="X-TalkJS-Signature",
    text=lambda parts: f"{parts.stamp}.".encode() + parts.body,
    encode=upper_hexadecimal,
    stamp=milliseconds,
    stamp_header="X-TalkJS-Timestamp",
)

ZENDESK = Formula(
    header="X-Zendesk-Webhook-Signature",
    text=lambda parts: parts.stamp.encode() + parts.body,
    encode=base64_text,
    stamp=rfc3339,
    stamp_header="X-Zendesk-Webhook-Signature-Timestamp",
)

FRONT_APP = Formula(
    header="X-Front-Signature",
    text=lambda parts: f"{parts.stamp}:".encode() + parts.body,
    encode=base64_text,
    stamp=milliseconds,
    stamp_header="X-Front-Request-Timestamp",
)

# The timestamp of Sentry's deliveries is not signed.
SENTRY = Formula(
    header="Sentry-Hook-Signature",
    id=delivery_uuid,
    id_header="Request-ID",
    beside=lambda draft: (("Sentry-Hook-Timestamp", str(draft.at)),),
)

GITHUB_SHA1 = Formula(
    header="X-Hub-Signature", prefix="sha1=", digest=hmac_sha1, id=delivery_uuid, id_header="X-GitHub-Delivery"
)

CALENDLY = ListFormula(
    header="Calendly-Webhook-Signature",
    text=lambda parts: f"{parts.stamp}.".encode() + parts.body,
    stamp=seconds,
    stamp_name="t",
    name="v1",
)


# Mailgun: the signature stands in the body, and the rest of the body is not signed.


def mailgun_sign(name: str, key: str, draft: Draft) -> Delivery:
    stamp, token = str(draft.at), draft.noise
    signature = hmac_sha256(key, f"{stamp}{token}".encode()).hex()
    signed = {"timestamp": stamp, "token": token, name: signature}
    body = {"signature": signed, "event-data": json.loads(draft.body)}
    return Delivery(
        headers=(("Content-Type", "application/json"),),
        body=json.dumps(body).encode(),
        signature=signature,
        stamp=stamp,
        id=token,
    )


def mailgun_form(name: str, key: str, draft: Draft) -> Delivery:
    """The same as a form, as older events are."""
    made = mailgun_sign(name, key, draft)
    form = {"event": "opened", "timestamp": made.stamp, "token": made.id, name: made.signature}
    return dataclasses.replace(
        made,
        headers=(("Content-Type", "application/x-www-form-urlencoded"),),
        body=urllib.parse.urlencode(form).encode(),
    )


def mailgun_check(name: str, key: str, headers: Headers, delivery: Delivery) -> bool:
    if headers.get("content-type") == "application/x-www-form-urlencoded":
        signed = dict(urllib.parse.parse_qsl(delivery.body.decode()))
    else:
        signed = json.loads(delivery.body)["signature"]
    expected = hmac_sha256(key, (signed["timestamp"] + signed["token"]).encode()).hex()
    return text_equal(expected, signed[name])


def mailgun(kind: str, name: str) -> WebhookVendor:
    return WebhookVendor(
        name=f"mailgun-{kind}",
        scheme=f"mailgun.{kind}",
        new_key=hex_key(32),
        sign=one_by_one(functools.partial(mailgun_sign, name)),
        accept=accepts(functools.partial(mailgun_check, name), ValueError),
        proven=frozenset({"TIMESTAMP", "ID"}),
        stamp=seconds,
        has_id=True,
        signature_in_header=False,
        bodies=samples.JSON,
        exact=False,
        changes=(
            unsigned("body", mailgun_other_event),
            Change(
                name="a form",
                sign=one_by_one(functools.partial(mailgun_form, name)),
                verdicts=lambda vendor: both_accept("older events are forms"),
            ),
        ),
    )


def mailgun_other_event(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
    event = json.loads(delivery.body) | {"event-data": {"event": "delivered"}}
    return delivery.with_body(json.dumps(event).encode())


# monday.com: a JWT that says nothing of the body.


# So long that a delivery of any fresh age is good.
MONDAY_SECS = 2 * YEAR_SECS


def monday_sign(key: str, draft: Draft) -> Delivery:
    token = jwt.encode({"accountId": 1, "userId": 2, "exp": draft.at + MONDAY_SECS}, key, algorithm="HS256")
    return Delivery(headers=(("Authorization", token),), body=draft.body, signature=token.rpartition(".")[2])


def monday_unsigned(key: str, draft: Draft) -> Delivery:
    return Delivery(headers=(("Authorization", jwt.encode({"accountId": 1}, "", algorithm="none")),), body=draft.body)


def monday_check(key: str, headers: Headers, delivery: Delivery) -> None:
    jwt.decode(headers["authorization"], key, algorithms=["HS256"])


# GitLab's secret token: the key itself is sent.


def gitlab_sign(key: str, draft: Draft) -> Delivery:
    return Delivery(headers=(("X-Gitlab-Token", key), ("X-Gitlab-Event", "Push Hook")), body=draft.body, signature=key)


def gitlab_check(key: str, headers: Headers, delivery: Delivery) -> bool:
    return text_equal(headers["x-gitlab-token"], key)


# DocuSign: a header for each key, numbered.


def docusign_headers(draft: Draft) -> tuple[tuple[str, str], ...]:
    return (("x-authorization-digest", "HMACSHA256"),)


DOCUSIGN = Formula(header="X-DocuSign-Signature-1", encode=base64_text, beside=docusign_headers)

NOTHING: frozenset[str] = frozenset()

FORMULA_VENDORS = [
    formula("chatwoot", "chatwoot.webhook", CHATWOOT, past_secs=300, future_secs=300),
    body_only("pylon", "X-Pylon-Signature"),
    formula("talkjs", "talkjs.webhook", TALKJS, new_key=text_key("sk_live_"), states_time=False),
    formula(
        "talkjs-with-window",
        "talkjs.webhook",
        TALKJS,
        new_key=text_key("sk_live_"),
        options={"tolerance": Duration(seconds=300), "timestamp_unit": secret_pb2.TIMESTAMP_UNIT_MILLISECONDS},
        past_secs=300,
        future_secs=300,
    ),
    formula(
        "intercom",
        "intercom.webhook",
        Formula(header="X-Hub-Signature", prefix="sha1=", digest=hmac_sha1),
    ),
    body_only("jira", "X-Hub-Signature", "sha256="),
    body_only("bitbucket", "X-Hub-Signature", "sha256="),
    formula("github-sha1", "github.webhook-sha1", GITHUB_SHA1, has_id=True),
    body_only("meta", "X-Hub-Signature-256", "sha256="),
    formula(
        "calendly",
        "calendly.webhook",
        CALENDLY,
        proven=BODY_AND_TIME,
        stamp=seconds,
        past_secs=300,
        future_secs=300,
        changes=list_traps("v1", ","),
    ),
    formula(
        "pagerduty",
        "pagerduty.webhook",
        ListFormula(header="X-PagerDuty-Signature", name="v1"),
        changes=list_traps("v1", ","),
    ),
    formula("sentry", "sentry.webhook", SENTRY, has_id=True),
    body_only("dropbox", "X-Dropbox-Signature"),
    body_only("asana", "X-Hook-Signature", new_key=hex_key(64)),
    formula("vercel", "vercel.webhook", Formula(header="x-vercel-signature", digest=hmac_sha1)),
    body_only("sendbird", "x-sendbird-signature"),
    formula("typeform", "typeform.webhook", Formula(header="Typeform-Signature", prefix="sha256=", encode=base64_text)),
    formula(
        "helpscout",
        "helpscout.webhook",
        Formula(header="X-HelpScout-Signature", digest=hmac_sha1, encode=base64_text),
    ),
    formula("docusign", "docusign.webhook", DOCUSIGN),
    formula("zendesk", "zendesk.webhook", ZENDESK, exact=False),
    formula("front", "front.webhook", FRONT_APP, states_time=False),
    formula(
        "front-rule", "front.rule-webhook", Formula(header="X-Front-Signature", digest=hmac_sha1, encode=base64_text)
    ),
    body_only("forgejo", "X-Forgejo-Signature"),
    body_only("greenhouse", "Signature", "sha256 "),
    mailgun("webhook", "signature"),
    mailgun("subaccount-webhook", "parent-signature"),
    WebhookVendor(
        name="plaid",
        scheme="plaid.webhook",
        library="PyPI PyJWT",
        signer="the same",
        new_key=plaid_key,
        sign=one_by_one(plaid_sign),
        accept=accepts(plaid_check, jwt.PyJWTError),
        encoding="base64url",
        proven=BODY_AND_TIME,
        stamp=seconds,
        past_secs=300,
        future_secs=5,
        exact=False,
        changes=(
            Change(
                name="HS256 under the public key",
                sign=one_by_one(plaid_confused_sign),
                reasons=reasons("TOKEN_ALGORITHM"),
            ),
        ),
    ),
    WebhookVendor(
        name="monday",
        scheme="monday.webhook",
        library="PyPI PyJWT",
        signer="the same",
        new_key=text_key(),
        sign=one_by_one(monday_sign),
        accept=accepts(monday_check, jwt.PyJWTError),
        encoding="base64url",
        proven=NOTHING,
        exact=False,
        changes=(
            BODY_IS_NOT_SIGNED,
            Change(
                name="token expired",
                age=lambda vendor, rng: MONDAY_SECS + 10 + rng.randrange(1000),
                reasons=reasons("TOKEN_EXPIRED"),
            ),
            Change(
                name="token without a signature", sign=one_by_one(monday_unsigned), reasons=reasons("TOKEN_ALGORITHM")
            ),
        ),
    ),
    WebhookVendor(
        name="gitlab-token",
        scheme="gitlab.token",
        new_key=text_key(),
        sign=one_by_one(gitlab_sign),
        accept=accepts(gitlab_check),
        encoding=None,
        proven=NOTHING,
        changes=(BODY_IS_NOT_SIGNED,),
    ),
]
