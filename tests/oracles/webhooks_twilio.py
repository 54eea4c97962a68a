"""Twilio: forms, whose parameters are signed in order, and other bodies, whose hash stands in the URL."""

import dataclasses
import hashlib
import urllib.parse
from random import Random

from twilio.request_validator import RequestValidator

import samples
from changes import reasons
from delivery import Delivery, Draft, Header, Headers
from vendor import hex_key
from webhook_vendor import BODY, Change, WebhookVendor, accepts, both_accept, one_by_one, only_library_accepts

URL = frozenset({"URL"})


class Form(dict):
    """The parameters of a form as Django gives them to Twilio's library."""

    def __init__(self, body: bytes):
        for name, value in urllib.parse.parse_qsl(body.decode(), keep_blank_values=True):
            self.setdefault(name, []).append(value)

    def getlist(self, name: str) -> list[str]:
        return self[name]


def twilio_sign(key: str, draft: Draft) -> Delivery:
    form = Form(draft.body) if is_form(draft.headers) else {}
    signature = RequestValidator(key).compute_signature(draft.url, form)
    return Delivery(
        headers=(("X-Twilio-Signature", signature), *draft.headers),
        body=draft.body,
        url=draft.url,
        signature=signature,
    )


def twilio_check(key: str, headers: Headers, delivery: Delivery) -> bool:
    return RequestValidator(key).validate(delivery.url, twilio_params(delivery), headers["x-twilio-signature"])


def twilio_params(delivery: Delivery) -> Form | str:
    """The form; of other bodies the text, where the URL says to, and else what a framework makes of no form."""
    if is_form(delivery.headers):
        return Form(delivery.body)
    return delivery.body.decode() if "bodySHA256" in delivery.url else Form(b"")


FORM = ("Content-Type", "application/x-www-form-urlencoded")
JSON = ("Content-Type", "application/json")


def is_form(headers: tuple[Header, ...]) -> bool:
    return FORM in headers


def with_body_hash(draft: Draft, rng: Random) -> Draft:
    mark = "&" if "?" in draft.url else "?"
    return dataclasses.replace(draft, url=f"{draft.url}{mark}bodySHA256={hashlib.sha256(draft.body).hexdigest()}")


def another_form(rng: Random, body: bytes) -> bytes:
    """One more parameter, or one less, or another value."""
    fields = urllib.parse.parse_qsl(body.decode(), keep_blank_values=True)
    at = rng.randrange(len(fields))
    name, value = fields[at]
    other = rng.choice([[*fields, ("more", "1")], fields[:at] + [(name, value + "x")] + fields[at + 1 :]])
    return urllib.parse.urlencode(other).encode()


def with_port(draft: Draft) -> Draft:
    parts = urllib.parse.urlsplit(draft.url)
    return dataclasses.replace(draft, url=urllib.parse.urlunsplit(parts._replace(netloc=f"{parts.netloc}:443")))


def without_port(url: str) -> str:
    return url.replace(":443/", "/")


def signed_with_port(key: str, draft: Draft) -> Delivery:
    """Signed for the URL with its default port, and judged without it."""
    delivery = twilio_sign(key, with_port(draft))
    return delivery.with_url(draft.url)


def shuffled(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
    """The same form in another order and encoding, with one pair repeated."""
    fields = urllib.parse.parse_qsl(delivery.body.decode(), keep_blank_values=True)
    fields.append(rng.choice(fields))
    rng.shuffle(fields)
    return delivery.with_body(urllib.parse.urlencode(fields, quote_via=urllib.parse.quote, safe="ab").encode())


def without_hash(vendor: WebhookVendor, draft: Draft, rng: Random) -> Draft:
    return dataclasses.replace(draft, url=draft.url[: draft.url.index("bodySHA256") - 1])


EITHER_PORT = both_accept("Twilio signs with the default port or without")

PORT_TRAPS = (
    Change(
        name="signed with the default port",
        sign=one_by_one(signed_with_port),
        verdicts=lambda vendor: EITHER_PORT,
    ),
    Change(
        name="judged with the default port",
        sign=one_by_one(lambda key, draft: twilio_sign(key, draft).with_url(with_port(draft).url)),
        verdicts=lambda vendor: EITHER_PORT,
    ),
)

FORM_TRAPS = (
    Change(
        name="form in another order",
        after=shuffled,
        verdicts=lambda vendor: both_accept("names and values are signed, each pair once, in the order of the names"),
    ),
    Change(name="form", after=lambda vendor, delivery, rng: delivery.with_body(another_form(rng, delivery.body))),
)

BODY_WITHOUT_HASH = Change(
    name="body without its hash in the URL",
    before=without_hash,
    reasons=reasons("BODY_UNSIGNED"),
    verdicts=lambda vendor: only_library_accepts("the signature does not bind such a body; the library lets it pass"),
)

TWILIO_VENDORS = [
    WebhookVendor(
        name="twilio-form",
        scheme="twilio.webhook",
        library="PyPI twilio",
        signer="the same",
        new_key=hex_key(32),
        sign=one_by_one(twilio_sign),
        accept=accepts(twilio_check),
        encoding="base64",
        proven=URL | {"FORM"},
        url=samples.url,
        bodies=(samples.text(samples.form),),
        headers=lambda rng: (FORM,),
        flip=another_form,
        changes=(*PORT_TRAPS, *FORM_TRAPS),
    ),
    WebhookVendor(
        name="twilio-json",
        scheme="twilio.webhook",
        library="PyPI twilio",
        signer="the same",
        new_key=hex_key(32),
        sign=one_by_one(twilio_sign),
        accept=accepts(twilio_check),
        encoding="base64",
        proven=BODY | URL,
        url=samples.url,
        bodies=samples.JSON,
        headers=lambda rng: (JSON,),
        finish=with_body_hash,
        changes=(*PORT_TRAPS, BODY_WITHOUT_HASH),
    ),
]
