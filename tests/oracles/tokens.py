"""The vendors of session tokens: the claims and header of each, for PyJWT or the vendor's library to sign."""

from collections.abc import Callable
from dataclasses import dataclass, field

import jwt
from stream_chat import StreamChat

from vendor import REQUIRED, Vendor, text_key

APP_ID = "tAbCdE12"
KEY_ID = "app_65f1c0ffee5eed0123456789"


@dataclass(frozen=True, kw_only=True)
class TokenVendor(Vendor):
    """A vendor of session tokens."""

    # The claim that carries each identity field; fields that are not listed are not sent.
    claim_of: dict[str, str]
    # Claims that every token has.
    fixed: dict[str, str] = field(default_factory=dict)
    # Whether the token may carry further claims about the user.
    takes_attributes: bool = True
    # Members of the header beside alg. PyJWT writes typ=JWT unless told otherwise; TalkJS's sample has none.
    header: dict[str, str | None] = field(default_factory=dict)
    # Whether exp may be absent.
    exp_optional: bool = True
    # The vendor's own library, where it has one that makes tokens.
    library: Callable[[str, dict], str] | None = None

    def encode(self, key: str, claims: dict) -> str:
        """The token as the host's backend makes it, with the vendor's library or else with PyJWT."""
        if self.library:
            return self.library(key, claims)
        return jwt.encode(claims, key, algorithm="HS256", headers=self.header)

    def claims(self, identity: dict, attributes: dict) -> dict:
        """The claims about a user, without times."""
        return self.fixed | {self.claim_of[name]: value for name, value in identity.items()} | attributes


def stream_token(key: str, claims: dict) -> str:
    """The token of Stream's server library, which takes the user's id and the times apart."""
    others = dict(claims)
    return StreamChat("api-key", key).create_token(others.pop("user_id"), **others)


NAMES = {"email": "email", "name": "name"}

TOKEN_VENDORS = [
    TokenVendor(
        name="kaltalk",
        scheme="kaltalk.token",
        new_key=text_key(length=64),
        options=REQUIRED,
        claim_of={"id": "sub"} | NAMES,
        exp_optional=False,
    ),
    TokenVendor(
        name="talkjs-token",
        scheme="talkjs.token",
        new_key=text_key("sk_live_", 64),
        options=REQUIRED | {"parameters": {"app_id": APP_ID}},
        claim_of={"id": "sub"},
        fixed={"tokenType": "user", "iss": APP_ID},
        takes_attributes=False,
        header={"typ": None},
    ),
    TokenVendor(
        name="intercom-token",
        scheme="intercom.token",
        new_key=text_key(length=64),
        options=REQUIRED,
        claim_of={"id": "user_id"} | NAMES,
    ),
    TokenVendor(
        name="zendesk-token",
        scheme="zendesk.token",
        new_key=text_key(length=64),
        options=REQUIRED | {"key_id": KEY_ID},
        claim_of={"id": "external_id"} | NAMES,
        fixed={"scope": "user"},
        header={"kid": KEY_ID},
    ),
    TokenVendor(
        name="canny-token",
        scheme="canny.token",
        new_key=text_key(length=64),
        options=REQUIRED,
        claim_of={"id": "id"} | NAMES,
    ),
    TokenVendor(
        name="drift-token",
        scheme="drift.token",
        new_key=text_key(length=64),
        options=REQUIRED,
        claim_of={"id": "sub"},
        takes_attributes=False,
    ),
    TokenVendor(
        name="freshchat-token",
        scheme="freshchat.token",
        new_key=text_key(length=64),
        options=REQUIRED,
        claim_of={"id": "freshchat_uuid", "email": "email"},
        exp_optional=False,
    ),
    TokenVendor(
        name="huggy-token",
        scheme="huggy.token",
        new_key=text_key(length=64),
        options=REQUIRED,
        claim_of={"id": "jti"},
        takes_attributes=False,
    ),
    TokenVendor(
        name="stream-token",
        scheme="stream.token",
        new_key=text_key(length=64),
        options=REQUIRED,
        claim_of={"id": "user_id"},
        library=stream_token,
    ),
    TokenVendor(
        name="userjot-token",
        scheme="userjot.token",
        new_key=text_key(length=64),
        options=REQUIRED | {"parameters": {"project_id": APP_ID}},
        claim_of={"id": "sub"} | NAMES,
        fixed={"iss": APP_ID, "aud": "userjot"},
        exp_optional=False,
    ),
    TokenVendor(
        name="countersign-token",
        scheme="countersign.token",
        new_key=text_key(length=64),
        options=REQUIRED,
        claim_of={"id": "sub"} | NAMES,
        header={"kid": "1"},
        exp_optional=False,
    ),
]
