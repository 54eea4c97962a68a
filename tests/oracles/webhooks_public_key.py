"""Vendors that sign with a private key: the secret of the service is their public key."""

import base64
import hashlib
import hmac
import json
import time
from random import Random

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from discord_interactions import verify_key
from nacl.signing import SigningKey
from sendgrid.helpers.eventwebhook import EventWebhook
from telnyx import Telnyx

import samples
from delivery import Delivery, Draft, Headers
from formula import Formula, base64_text, hexadecimal, seconds
from traps import DIGIT_INTO_THE_BODY, LENIENT_BASE64
from vendor import PublicKey
from webhook_vendor import BODY_AND_TIME, Share, Verdicts, WebhookVendor, accepts, both_accept


def ed25519_key(rng: Random) -> SigningKey:
    return SigningKey(rng.randbytes(32))


def ed25519(key: PublicKey, text: bytes) -> bytes:
    return key.private.sign(text).signature


# SendGrid


def p256_key(rng: Random) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(rng.getrandbits(255) + 1, ec.SECP256R1())


def spki(rng: Random) -> PublicKey:
    private = p256_key(rng)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(base64.b64encode(public).decode(), private)


SENDGRID = Formula(
    header="X-Twilio-Email-Event-Webhook-Signature",
    text=lambda parts: parts.stamp.encode() + parts.body,
    digest=lambda key, text: key.private.sign(text, ec.ECDSA(hashes.SHA256())),
    encode=base64_text,
    stamp=seconds,
    stamp_header="X-Twilio-Email-Event-Webhook-Timestamp",
)


def sendgrid_check(key: str, headers: Headers, delivery: Delivery) -> bool:
    return EventWebhook(key).verify_signature(
        delivery.body.decode(),
        headers["x-twilio-email-event-webhook-signature"],
        headers["x-twilio-email-event-webhook-timestamp"],
    )


# Discord


def hex_public_key(rng: Random) -> PublicKey:
    private = ed25519_key(rng)
    return PublicKey(bytes(private.verify_key).hex(), private)


DISCORD = Formula(
    header="X-Signature-Ed25519",
    text=lambda parts: parts.stamp.encode() + parts.body,
    digest=ed25519,
    encode=hexadecimal,
    stamp=seconds,
    stamp_header="X-Signature-Timestamp",
)


def discord_check(key: str, headers: Headers, delivery: Delivery) -> bool:
    return verify_key(delivery.body, headers["x-signature-ed25519"], headers["x-signature-timestamp"], key)


# Telnyx

telnyx = Telnyx(api_key="an api key")


def base64_public_key(rng: Random) -> PublicKey:
    private = ed25519_key(rng)
    return PublicKey(base64.b64encode(bytes(private.verify_key)).decode(), private)


TELNYX = Formula(
    header="telnyx-signature-ed25519",
    text=lambda parts: f"{parts.stamp}|".encode() + parts.body,
    digest=ed25519,
    encode=base64_text,
    stamp=seconds,
    stamp_header="telnyx-timestamp",
)


def telnyx_check(key: str, headers: Headers, delivery: Delivery) -> None:
    telnyx.webhooks.unwrap(delivery.body.decode(), headers=headers, key=key)


# Plaid has no library that checks: PyPI PyJWT does.

PLAID_KEY_ID = "6c5516e1-92dc-479e-a8ff-5a51992e0001"


def plaid_key(rng: Random) -> PublicKey:
    private = p256_key(rng)
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    jwk |= {"kid": PLAID_KEY_ID, "alg": "ES256", "use": "sig"}
    return PublicKey(json.dumps({"keys": [jwk]}), private)


def plaid_sign(key: PublicKey, draft: Draft) -> Delivery:
    claims = {"iat": draft.at, "request_body_sha256": hashlib.sha256(draft.body).hexdigest()}
    token = jwt.encode(claims, key.private, algorithm="ES256", headers={"kid": PLAID_KEY_ID})
    return Delivery(
        headers=(("Plaid-Verification", token),),
        body=draft.body,
        signature=token.rpartition(".")[2],
        stamp=str(draft.at),
    )


def plaid_confused_sign(key: PublicKey, draft: Draft) -> Delivery:
    """Signed with an HMAC whose key is the text of the public key."""
    claims = {"iat": draft.at, "request_body_sha256": hashlib.sha256(draft.body).hexdigest()}
    head = {"alg": "HS256", "typ": "JWT", "kid": PLAID_KEY_ID}
    signed = b".".join(jwt.utils.base64url_encode(json.dumps(part).encode()) for part in (head, claims))
    signature = jwt.utils.base64url_encode(hmac.new(key.encode(), signed, hashlib.sha256).digest())
    token = (signed + b"." + signature).decode()
    return Delivery(headers=(("Plaid-Verification", token),), body=draft.body)


def plaid_check(key: PublicKey, headers: Headers, delivery: Delivery) -> bool:
    public = jwt.PyJWKSet.from_json(key).keys[0].key
    claims = jwt.decode(headers["plaid-verification"], public, algorithms=["ES256"], options={"require": ["iat"]})
    is_fresh = claims["iat"] >= time.time() - 300
    return is_fresh and claims["request_body_sha256"] == hashlib.sha256(delivery.body).hexdigest()


def discord(kind: str) -> WebhookVendor:
    return WebhookVendor(
        name=f"discord-{kind}",
        scheme=f"discord.{kind}",
        library="PyPI discord-interactions",
        new_key=hex_public_key,
        sign=DISCORD.sign,
        accept=accepts(discord_check),
        proven=BODY_AND_TIME,
        stamp=seconds,
        bodies=samples.ANYTHING,
        exact=False,
        changes=(DIGIT_INTO_THE_BODY,),
        verdicts={"signature in the other case": both_accept("both decode the hexadecimal")},
    )


PUBLIC_KEY_VENDORS = [
    WebhookVendor(
        name="sendgrid",
        scheme="sendgrid.webhook",
        library="PyPI sendgrid",
        new_key=spki,
        sign=SENDGRID.sign,
        accept=accepts(sendgrid_check, ValueError),
        encoding="base64",
        proven=BODY_AND_TIME,
        stamp=seconds,
        exact=False,
        changes=(DIGIT_INTO_THE_BODY,),
        verdicts={
            "signature's unused bits": LENIENT_BASE64,
            "header twice": Verdicts(library=Share.SOME, why="the library's base64 ends at the first padding"),
        },
    ),
    discord("webhook"),
    discord("interaction"),
    WebhookVendor(
        name="telnyx",
        scheme="telnyx.webhook",
        library="PyPI telnyx",
        new_key=base64_public_key,
        sign=TELNYX.sign,
        accept=accepts(telnyx_check, ValueError),
        encoding="base64",
        proven=BODY_AND_TIME,
        stamp=seconds,
        past_secs=300,
        future_secs=300,
        bodies=samples.JSON,
        exact=False,
        verdicts={"signature's unused bits": LENIENT_BASE64},
    ),
]
