"""The vendors of user hashes: which fields each one signs, and the call of its sample code."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sample_code import hex_hmac_sha256
from vendor import REQUIRED, Vendor, hex_key, text_key


@dataclass(frozen=True, kw_only=True)
class HashVendor(Vendor):
    """A vendor of user hashes."""

    # The hash of a text under the key as the vendor shows it.
    hash: Callable[[str, str], str]
    # The identity fields that the hash proves: the parts of the hashed text, in its order.
    proves: tuple[str, ...] = ("id",)
    # What stands between them.
    separator: str = ""
    # What the vendor does to a field before it is hashed.
    normalise: Callable[[str], str] = str
    # The identity fields that the host sends.
    sends: tuple[str, ...] = ("id", "email", "name")
    options: dict = field(default_factory=lambda: REQUIRED)

    def proven(self, identity: dict[str, str]) -> dict[str, str]:
        """The fields of an identity that its hash proves, as they are hashed."""
        return {name: self.normalise(identity[name]) for name in self.proves}

    def hash_of(self, key: str, identity: dict[str, str]) -> str:
        """The hash that the host's backend makes for an identity."""
        return self.hash(key, self.separator.join(self.proven(identity).values()))


def text_keyed(key: str, text: str) -> str:
    return hex_hmac_sha256(key.encode(), text.encode())


def hex_keyed(key: str, text: str) -> str:
    return hex_hmac_sha256(bytes.fromhex(key), text.encode())


def text_keyed_upper(key: str, text: str) -> str:
    return text_keyed(key, text).upper()


def of(vendor: str, *proves: str, key: Callable = text_key(), name: str = "", **more) -> HashVendor:
    """A vendor whose hash is under the text of the key, as most are."""
    scheme = f"{vendor}.identity"
    return HashVendor(name=name or vendor, scheme=scheme, new_key=key, hash=text_keyed, proves=proves, **more)


def of_id_else_email(vendor: str, key: Callable = text_key()) -> list[HashVendor]:
    """A vendor that hashes the id if one is sent, else the email."""
    return [
        of(vendor, "id", key=key, name=f"{vendor}-id"),
        of(vendor, "email", key=key, name=f"{vendor}-email", sends=("email", "name")),
    ]


HASH_VENDORS = [
    HashVendor(name="pylon", scheme="pylon.identity", new_key=hex_key(64), hash=hex_keyed, proves=("email",)),
    HashVendor(name="talkjs-user", scheme="talkjs.user-hash", new_key=text_key("sk_live_"), hash=text_keyed),
    # TalkJS's later pages print the hash in upper case, its examples in lower case.
    HashVendor(
        name="talkjs-user-upper", scheme="talkjs.user-hash", new_key=text_key("sk_live_"), hash=text_keyed_upper
    ),
    of("akece", "id"),
    of("chatbase", "id"),
    of("chatwoot", "id"),
    of("countersign", "id"),
    of("crisp", "email"),
    of("customerly", "email", normalise=str.lower),
    of("eixam", "id"),
    *of_id_else_email("featurebase", text_key("iv_")),
    *of_id_else_email("front"),
    *of_id_else_email("gainsight"),
    of("helpscout", "email"),
    *of_id_else_email("intercom"),
    of("pipeback", "email"),
    of("plain", "email"),
    *of_id_else_email("tawk"),
    of("thena", "email", "name", separator=":"),
    of("userjot", "id"),
]

CONVERSATION_IDS = HashVendor(
    name="talkjs-conversation",
    scheme="talkjs.conversation-id",
    new_key=text_key("sk_live_"),
    hash=text_keyed,
    options={},
)
