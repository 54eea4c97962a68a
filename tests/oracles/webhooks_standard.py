"""Standard Webhooks and who follows it: one scheme, judged by the library of each."""

import base64
import dataclasses
import functools
from datetime import datetime, timezone
from random import Random

import standardwebhooks
import svix.webhooks
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from openai import InvalidWebhookSignatureError, OpenAI

import node
import samples
from delivery import Delivery, Draft, Headers
from formula import Formula, base64_text, message_id, seconds
from traps import (
    HEADERS_ARE_A_LIST,
    LENIENT_BASE64,
    NO_AGE,
    REPRINTED_TIME,
    TIME_WITH_A_SIGN,
    VERSION_TRAPS,
)
from vendor import PublicKey, base64_key, text_key
from webhook_vendor import (
    BODY_TIME_AND_ID,
    Change,
    Verdicts,
    WebhookVendor,
    accepts,
    one_by_one,
    only_library_accepts,
    only_service_accepts,
)
from webhooks_public_key import ed25519, ed25519_key


def standard_sign(library: type, prefix: str, key: str, draft: Draft) -> Delivery:
    id = message_id(draft)
    signature = library(key).sign(id, datetime.fromtimestamp(draft.at, timezone.utc), draft.body.decode())
    return Delivery(
        headers=((f"{prefix}id", id), (f"{prefix}timestamp", str(draft.at)), (f"{prefix}signature", signature)),
        body=draft.body,
        signature=signature.removeprefix("v1,"),
        stamp=str(draft.at),
        id=id,
    )


def standard_check(key: str, headers: Headers, delivery: Delivery) -> None:
    standardwebhooks.Webhook(key).verify(delivery.body, headers, json_parse=False)


def svix_check(key: str, headers: Headers, delivery: Delivery) -> None:
    svix.webhooks.Webhook(key).verify(delivery.body, headers)


openai = OpenAI(api_key="an api key")


def openai_check(key: str, headers: Headers, delivery: Delivery) -> None:
    openai.webhooks.verify_signature(delivery.body, headers, secret=key)


OPENAI_TEXT_KEY = Formula(
    header="webhook-signature",
    prefix="v1,",
    text=lambda parts: f"{parts.id}.{parts.stamp}.".encode() + parts.body,
    encode=base64_text,
    stamp=seconds,
    stamp_header="webhook-timestamp",
    id=message_id,
    id_header="webhook-id",
)

# Standard Webhooks' v1a is in none of the libraries: PyPI PyNaCl.


def standard_key(rng: Random) -> PublicKey:
    private = ed25519_key(rng)
    return PublicKey("whpk_" + base64.b64encode(bytes(private.verify_key)).decode(), private)


STANDARD_V1A = Formula(
    header="webhook-signature",
    prefix="v1a,",
    text=lambda parts: f"{parts.id}.{parts.stamp}.".encode() + parts.body,
    digest=ed25519,
    encode=base64_text,
    stamp=seconds,
    stamp_header="webhook-timestamp",
    id=message_id,
    id_header="webhook-id",
)


def standard_v1a_check(key: str, headers: Headers, delivery: Delivery) -> None:
    signature = headers["webhook-signature"].removeprefix("v1a,")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + delivery.body
    public = VerifyKey(base64.b64decode(key.removeprefix("whpk_")))
    public.verify(signed, base64.b64decode(signature, validate=True))


STANDARD = {
    "new_key": base64_key("whsec_"),
    "encoding": "base64",
    "proven": BODY_TIME_AND_ID,
    "stamp": seconds,
    "past_secs": 300,
    "future_secs": 300,
    "has_id": True,
    "changes": (*VERSION_TRAPS, TIME_WITH_A_SIGN),
}

STANDARD_IN_PYTHON = {
    "signature's unused bits": LENIENT_BASE64,
    "time with a plus sign": REPRINTED_TIME,
    "an entry without a version": only_service_accepts("the library raises on an entry without a comma"),
}

STANDARD_IN_NODE = {
    "header twice": HEADERS_ARE_A_LIST,
    "time with a plus sign": REPRINTED_TIME,
}


OPENAI = {
    "header twice": HEADERS_ARE_A_LIST,
    "no version": only_library_accepts("the library takes an entry without a version for a signature"),
}

# Polar signs twice, once with the decoded key and once with its text, which is all that its library knows.


def polar_sign(key: str, draft: Draft) -> Delivery:
    decoded = standard_sign(standardwebhooks.Webhook, "webhook-", key, draft)
    as_text = OPENAI_TEXT_KEY.deliver(key, draft).signature
    both = decoded.with_text(decoded.signature, f"{decoded.signature} v1,{as_text}")
    return dataclasses.replace(both, other_signature=as_text)


POLAR_BY_TEXT = Change(name="signed with the text of the key", sign=OPENAI_TEXT_KEY.sign)
POLAR_DECODED = Change(
    name="signed with the decoded key",
    sign=one_by_one(functools.partial(standard_sign, standardwebhooks.Webhook, "webhook-")),
)
KNOWS_THE_TEXT = "Polar's library knows the text of the key alone, the service the decoded key"


def standard(name: str, library: str, signer: type, headers: str, verdicts: dict[str, Verdicts]) -> WebhookVendor:
    """A vendor of Standard Webhooks, which a library in Python signs for."""
    return WebhookVendor(
        name=name,
        scheme=f"{name}.webhook",
        library=library,
        signer="PyPI svix" if signer is svix.webhooks.Webhook else "PyPI standardwebhooks",
        sign=one_by_one(functools.partial(standard_sign, signer, headers)),
        accept=node.accept(name),
        verdicts=verdicts,
        **STANDARD | {"bodies": samples.JSON},
    )


STANDARD_VENDORS = [
    WebhookVendor(
        name="standardwebhooks",
        scheme="standard.webhook",
        library="PyPI standardwebhooks",
        signer="the same",
        sign=one_by_one(functools.partial(standard_sign, standardwebhooks.Webhook, "webhook-")),
        accept=accepts(standard_check, standardwebhooks.WebhookVerificationError, ValueError),
        verdicts=STANDARD_IN_PYTHON,
        **STANDARD,
    ),
    WebhookVendor(
        name="svix",
        scheme="svix.webhook",
        library="PyPI svix",
        signer="the same",
        sign=one_by_one(functools.partial(standard_sign, svix.webhooks.Webhook, "svix-")),
        accept=accepts(svix_check, svix.webhooks.WebhookVerificationError, ValueError),
        verdicts=STANDARD_IN_PYTHON,
        **STANDARD,
    ),
    WebhookVendor(
        name="openai",
        scheme="openai.webhook",
        library="PyPI openai",
        signer="PyPI standardwebhooks",
        sign=one_by_one(functools.partial(standard_sign, standardwebhooks.Webhook, "webhook-")),
        accept=accepts(openai_check, InvalidWebhookSignatureError, ValueError),
        verdicts=OPENAI,
        **STANDARD,
    ),
    WebhookVendor(
        name="openai-text-key",
        scheme="openai.webhook",
        library="PyPI openai",
        sign=OPENAI_TEXT_KEY.sign,
        accept=accepts(openai_check, InvalidWebhookSignatureError, ValueError),
        verdicts=OPENAI,
        **STANDARD | {"new_key": text_key()},
    ),
    standard("clerk", "npm @clerk/backend", svix.webhooks.Webhook, "svix-", STANDARD_IN_NODE),
    standard("resend", "npm resend", svix.webhooks.Webhook, "svix-", STANDARD_IN_NODE),
    standard(
        "replicate",
        "npm replicate",
        standardwebhooks.Webhook,
        "webhook-",
        {
            "header twice": HEADERS_ARE_A_LIST,
            "old": only_library_accepts(NO_AGE),
            "early": only_library_accepts(NO_AGE),
            "an unknown version alone": only_library_accepts("the library ignores the version"),
        },
    ),
    WebhookVendor(
        name="polar",
        scheme="polar.webhook",
        library="npm @polar-sh/sdk",
        sign=one_by_one(polar_sign),
        accept=node.accept("polar"),
        made_by_sign=only_service_accepts(KNOWS_THE_TEXT),
        verdicts={
            "header twice": HEADERS_ARE_A_LIST,
            "signed with the text of the key": only_library_accepts(KNOWS_THE_TEXT),
            "signed with the decoded key": only_service_accepts(KNOWS_THE_TEXT),
        },
        **STANDARD | {"bodies": samples.JSON, "exact": False, "changes": (POLAR_BY_TEXT, POLAR_DECODED)},
    ),
    WebhookVendor(
        name="gitlab",
        scheme="gitlab.webhook",
        library="PyPI standardwebhooks",
        signer="the same",
        sign=one_by_one(functools.partial(standard_sign, standardwebhooks.Webhook, "webhook-")),
        accept=accepts(standard_check, standardwebhooks.WebhookVerificationError, ValueError),
        verdicts=STANDARD_IN_PYTHON,
        **STANDARD,
    ),
    WebhookVendor(
        name="standard-v1a",
        scheme="standard.webhook-ed25519",
        new_key=standard_key,
        sign=STANDARD_V1A.sign,
        accept=accepts(standard_v1a_check, ValueError, BadSignatureError),
        encoding="base64",
        proven=BODY_TIME_AND_ID,
        stamp=seconds,
        past_secs=300,
        future_secs=300,
        has_id=True,
        bodies=samples.ANYTHING,
        exact=False,
    ),
]
