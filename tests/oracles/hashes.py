"""The vendors of user hashes: which field each one signs, and the call of its sample code."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sample_code import hex_hmac_sha256
from vendor import REQUIRED, Vendor, hex_key, text_key


@dataclass(frozen=True, kw_only=True)
class HashVendor(Vendor):
    """A vendor of user hashes."""

    # The hash of a text under the key as the vendor shows it.
    hash: Callable[[str, str], str]
    # The identity field that the hash proves.
    proves: str = "id"
    # The identity fields that the host sends.
    sends: tuple[str, ...] = ("id", "email", "name")
    options: dict = field(default_factory=lambda: REQUIRED)


def text_keyed(key: str, text: str) -> str:
    return hex_hmac_sha256(key.encode(), text.encode())


def hex_keyed(key: str, text: str) -> str:
    return hex_hmac_sha256(bytes.fromhex(key), text.encode())


def text_keyed_upper(key: str, text: str) -> str:
    return text_keyed(key, text).upper()


HASH_VENDORS = [
    HashVendor(name="chatwoot-identity", scheme="chatwoot.identity", new_key=text_key(), hash=text_keyed),
    HashVendor(name="pylon-identity", scheme="pylon.identity", new_key=hex_key(64), hash=hex_keyed, proves="email"),
    HashVendor(name="talkjs-user", scheme="talkjs.user-hash", new_key=text_key("sk_live_"), hash=text_keyed),
    # TalkJS's later pages print the hash in upper case, its examples in lower case.
    HashVendor(
        name="talkjs-user-upper", scheme="talkjs.user-hash", new_key=text_key("sk_live_"), hash=text_keyed_upper
    ),
    HashVendor(name="intercom-user", scheme="intercom.identity", new_key=text_key(), hash=text_keyed),
    HashVendor(
        name="intercom-email",
        scheme="intercom.identity",
        new_key=text_key(),
        hash=text_keyed,
        proves="email",
        sends=("email", "name"),
    ),
    HashVendor(name="countersign-identity", scheme="countersign.identity", new_key=text_key(), hash=text_keyed),
]

CONVERSATION_IDS = HashVendor(
    name="talkjs-conversation",
    scheme="talkjs.conversation-id",
    new_key=text_key("sk_live_"),
    hash=text_keyed,
    options={},
)
