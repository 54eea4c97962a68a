"""Vendors that sign the URL, the method, or single fields of a request."""

import dataclasses
import functools
import urllib.parse
from random import Random

from hubspot.exceptions import InvalidSignatureTimestampError
from hubspot.utils.signature import Signature
from mercadopago.webhook.validator import InvalidWebhookSignatureError, WebhookSignatureValidator
from square.utils.webhooks_helper import verify_signature

import node
import samples
from delivery import Delivery, Draft, Header, Headers
from formula import Formula, base64_text, hmac_sha1, hmac_sha256, milliseconds, seconds
from traps import BODY_IS_NOT_SIGNED, DIGIT_OUT_OF_THE_BODY, EMPTY_BODY, HEADERS_ARE_A_LIST, list_traps, unsigned
from vendor import hex_key, text_key
from webhook_vendor import (
    BODY,
    BODY_AND_TIME,
    Change,
    WebhookVendor,
    accepts,
    one_by_one,
    only_library_accepts,
    only_service_accepts,
)

URL = frozenset({"URL"})
METHOD = frozenset({"METHOD"})

# HubSpot


def hubspot_sign(version: str, key: str, draft: Draft) -> Delivery:
    stamp = str(draft.at_ms) if version == "v3" else ""
    signature = Signature.get_signature(key, draft.body.decode(), version, draft.url, draft.method, stamp)
    own = (
        (("X-HubSpot-Signature-v3", signature), ("X-HubSpot-Request-Timestamp", stamp))
        if version == "v3"
        else (("X-HubSpot-Signature", signature), ("X-HubSpot-Signature-Version", version))
    )
    return Delivery(headers=own, body=draft.body, method=draft.method, url=draft.url, signature=signature, stamp=stamp)


def hubspot_check(version: str, key: str, headers: Headers, delivery: Delivery) -> bool:
    signature = headers["x-hubspot-signature-v3" if version == "v3" else "x-hubspot-signature"]
    stamp = headers.get("x-hubspot-request-timestamp")
    return Signature.is_valid(signature, key, delivery.body.decode(), delivery.url, delivery.method, version, stamp)


SQUARE = Formula(
    header="x-square-hmacsha256-signature", text=lambda parts: parts.url.encode() + parts.body, encode=base64_text
)


def square_check(key: str, headers: Headers, delivery: Delivery) -> bool:
    return verify_signature(
        request_body=delivery.body.decode(),
        signature_header=headers["x-square-hmacsha256-signature"],
        signature_key=key,
        notification_url=delivery.url,
    )


# Mercado Pago


MERCADO_URL = "https://hooks.example.com/mercado"


def mercado_url(rng: Random) -> str:
    """A URL with the id of a payment, or without."""
    data_id = rng.choice(["", f"data.id={rng.randint(1, 10**12)}&", f"data.id={samples.letters(rng, 20)}&"])
    return f"{MERCADO_URL}?{data_id}type=payment"


def mercado_headers(rng: Random) -> tuple[Header, ...]:
    return rng.choice([(), (("x-request-id", samples.letters(rng, 20)),)])


def mercado_fields(url: str) -> dict[str, str]:
    return dict(urllib.parse.parse_qsl(url.partition("?")[2]))


def mercado_sign(key: str, draft: Draft) -> Delivery:
    data_id, request_id = mercado_fields(draft.url).get("data.id"), dict(draft.headers).get("x-request-id")
    parts = [("id", data_id), ("request-id", request_id), ("ts", str(draft.at))]
    text = "".join(f"{name}:{value};" for name, value in parts if value)
    signature = hmac_sha256(key, text.encode()).hex()
    return Delivery(
        headers=(("x-signature", f"ts={draft.at},v1={signature}"), *draft.headers),
        body=draft.body,
        url=draft.url,
        signature=signature,
        stamp=str(draft.at),
        id=request_id or "",
    )


def mercado_check(key: str, headers: Headers, delivery: Delivery) -> None:
    WebhookSignatureValidator.validate(
        headers.get("x-signature"), headers.get("x-request-id"), mercado_fields(delivery.url).get("data.id"), key
    )


def mercado_proven(delivery: Delivery) -> set[str]:
    fields = {"query:data.id"} if "data.id" in mercado_fields(delivery.url) else set()
    return fields | ({"ID"} if delivery.id else set())


def without_query(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
    return delivery.with_url(delivery.url.partition("data.id=")[0])


def other_data_id(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
    return delivery.with_url(delivery.url.replace("data.id=", "data.id=9"))


def id_with_the_request_id(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
    """The same signed text from other fields: the request id has become the end of data.id."""
    return delivery.with_url(f"{MERCADO_URL}?data.id=1%3Brequest-id%3A{delivery.id}").with_headers(
        tuple(header for header in delivery.headers if header[0] != "x-request-id")
    )


def lower_case_id(draft: Draft) -> Draft:
    return dataclasses.replace(draft, url=draft.url.replace("ABC", "abc"))


MERCADO_TRAPS = (
    BODY_IS_NOT_SIGNED,
    Change(name="another data.id", after=other_data_id),
    Change(name="no data.id", after=without_query),
    Change(
        name="another request id",
        after=lambda vendor, delivery, rng: delivery.with_headers(
            tuple((name, value + "x" if name == "x-request-id" else value) for name, value in delivery.headers)
        ),
    ),
    Change(
        name="the request id in data.id",
        before=lambda vendor, draft, rng: dataclasses.replace(
            draft, url=f"{MERCADO_URL}?data.id=1", headers=(("x-request-id", draft.noise[:20]),)
        ),
        after=id_with_the_request_id,
        verdicts=lambda vendor: only_library_accepts("the library does not tell the fields of the signed text apart"),
    ),
    Change(
        name="signed with a lower-case data.id",
        sign=one_by_one(lambda key, draft: mercado_sign(key, lower_case_id(draft)).with_url(draft.url)),
        before=lambda vendor, draft, rng: dataclasses.replace(draft, url=f"{MERCADO_URL}?data.id=ABC"),
        verdicts=lambda vendor: only_service_accepts(
            "Mercado Pago signed so until June 2026, when its libraries changed"
        ),
    ),
    *list_traps("v1", ","),
)


# Contentful: npm @contentful/node-apps-toolkit


def contentful_sign(key: str, drafts: list[Draft]) -> list[Delivery]:
    made = node.ask("sign", "contentful", key, drafts)
    return [
        Delivery(
            headers=(*own.items(), *draft.headers),
            body=draft.body,
            method=draft.method,
            url=draft.url,
            signature=own["x-contentful-signature"],
            stamp=own["x-contentful-timestamp"],
        )
        for draft, own in zip(drafts, made, strict=True)
    ]


SIGNED_ON_REQUEST = {"x-contentful-crn", "x-app", "x-app-more", "content-type"}


def contentful_headers(rng: Random) -> tuple[Header, ...]:
    headers = [
        ("X-App", " a;b "),
        ("X-App-More", "c:d"),
        ("X-Contentful-Crn", f"crn:contentful:::extensibility:{samples.letters(rng, 9)}"),
        ("Content-Type", "application/json"),
    ]
    return tuple(rng.sample(headers, rng.randint(0, 4)))


def contentful_proven(delivery: Delivery) -> set[str]:
    return {f"header:{name}" for name in delivery.joined()["x-contentful-signed-headers"].split(",")}


def signed_header_changed(vendor: WebhookVendor, delivery: Delivery, rng: Random) -> Delivery:
    return delivery.with_headers(
        tuple((name, value + "x" if name.lower() in SIGNED_ON_REQUEST else value) for name, value in delivery.headers)
    )


def contentful_path(url: str) -> str:
    return "/" + url.partition("://")[2].partition("/")[2]


CONTENTFUL_TRAPS = (
    Change(name="another path", after=lambda vendor, delivery, rng: delivery.with_url(samples.other_url(delivery.url))),
    unsigned(
        "another host", lambda vendor, delivery, rng: delivery.with_url("http://other" + contentful_path(delivery.url))
    ),
    unsigned(
        "one more header",
        lambda vendor, delivery, rng: delivery.with_headers((*delivery.headers, ("X-Contentful-Other", "1"))),
    ),
    Change(name="a signed header", after=signed_header_changed),
    dataclasses.replace(
        unsigned("a second query", lambda vendor, delivery, rng: delivery.with_url(f"{delivery.url}?x=1")),
        before=lambda vendor, draft, rng: dataclasses.replace(draft, url=f"{draft.url.partition('?')[0]}?a=1"),
    ),
)

# Trello has no library that checks.

TRELLO = Formula(
    header="X-Trello-Webhook",
    text=lambda parts: parts.body + parts.url.encode(),
    digest=hmac_sha1,
    encode=base64_text,
)

URL_VENDORS = [
    WebhookVendor(
        name="hubspot",
        scheme="hubspot.webhook",
        library="PyPI hubspot-api-client",
        signer="the same",
        new_key=text_key(),
        sign=one_by_one(functools.partial(hubspot_sign, "v3")),
        accept=accepts(functools.partial(hubspot_check, "v3"), InvalidSignatureTimestampError),
        encoding="base64",
        proven=BODY_AND_TIME | URL | METHOD,
        stamp=milliseconds,
        past_secs=300,
        future_secs=300,
        url=samples.url,
        methods=("POST", "GET", "PUT"),
        changes=(DIGIT_OUT_OF_THE_BODY,),
        verdicts={"early": only_library_accepts("the library looks into the past only")},
    ),
    WebhookVendor(
        name="hubspot-v2",
        scheme="hubspot.webhook-v2",
        library="PyPI hubspot-api-client",
        signer="the same",
        new_key=text_key(),
        sign=one_by_one(functools.partial(hubspot_sign, "v2")),
        accept=accepts(functools.partial(hubspot_check, "v2")),
        proven=BODY | URL | METHOD,
        url=samples.url,
        methods=("POST", "GET"),
    ),
    WebhookVendor(
        name="hubspot-v1",
        scheme="hubspot.webhook-v1",
        library="PyPI hubspot-api-client",
        signer="the same",
        new_key=text_key(),
        sign=one_by_one(functools.partial(hubspot_sign, "v1")),
        accept=accepts(functools.partial(hubspot_check, "v1")),
    ),
    WebhookVendor(
        name="square",
        scheme="square.webhook",
        library="PyPI squareup",
        new_key=text_key(),
        sign=SQUARE.sign,
        accept=accepts(square_check),
        encoding="base64",
        proven=BODY | URL,
        url=samples.url,
        bodies=samples.NOT_EMPTY,
        changes=(EMPTY_BODY,),
    ),
    WebhookVendor(
        name="mercadopago",
        scheme="mercadopago.webhook",
        library="PyPI mercadopago",
        new_key=hex_key(64),
        sign=one_by_one(mercado_sign),
        accept=accepts(mercado_check, InvalidWebhookSignatureError),
        proven=frozenset({"TIMESTAMP"}),
        also_proven=mercado_proven,
        exact=False,
        stamp=seconds,
        url=mercado_url,
        headers=mercado_headers,
        changes=MERCADO_TRAPS,
        verdicts={
            "header twice": HEADERS_ARE_A_LIST,
            "a wrong signature last": only_service_accepts("the library looks at the last signature alone"),
        },
    ),
    WebhookVendor(
        name="contentful",
        scheme="contentful.webhook",
        library="npm @contentful/node-apps-toolkit",
        signer="the same",
        new_key=text_key(length=64),
        sign=contentful_sign,
        accept=node.accept("contentful"),
        proven=BODY_AND_TIME | METHOD | {"path"},
        also_proven=contentful_proven,
        stamp=milliseconds,
        past_secs=30,
        future_secs=300,
        url=samples.url,
        methods=("POST", "GET", "PUT", "DELETE"),
        headers=contentful_headers,
        changes=CONTENTFUL_TRAPS,
        verdicts={"early": only_library_accepts("the library looks into the past only")},
    ),
    WebhookVendor(
        name="trello",
        scheme="trello.webhook",
        new_key=hex_key(64),
        sign=TRELLO.sign,
        accept=TRELLO.accept,
        encoding="base64",
        proven=BODY | URL,
        url=samples.url,
        bodies=samples.ANYTHING,
    ),
]
