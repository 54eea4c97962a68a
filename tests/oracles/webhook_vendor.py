"""What every row of the webhook tables has, and what is expected of a changed delivery."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from random import Random

import samples
from delivery import Delivery, Draft, Header
from vendor import Vendor

BODY = frozenset({"BODY"})
BODY_AND_TIME = BODY | {"TIMESTAMP"}
BODY_TIME_AND_ID = BODY_AND_TIME | {"ID"}

Sign = Callable[[str, list[Draft]], list[Delivery]]
Accept = Callable[[str, list[Delivery]], list[bool]]


class Share(Enum):
    """How many of the deliveries with one change a side accepts."""

    NONE = "none"
    SOME = "some"
    ALL = "all"

    @staticmethod
    def of(accepted: list[bool]) -> "Share":
        return Share.ALL if all(accepted) else Share.SOME if any(accepted) else Share.NONE


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """Who accepts deliveries with one change. Where that is not nobody, the reason."""

    service: Share = Share.NONE
    library: Share = Share.NONE
    why: str = ""


BOTH_REFUSE = Verdicts()
BOTH_ACCEPT = Verdicts(service=Share.ALL, library=Share.ALL)


def only_library_accepts(why: str) -> Verdicts:
    return Verdicts(library=Share.ALL, why=why)


def only_service_accepts(why: str) -> Verdicts:
    return Verdicts(service=Share.ALL, why=why)


def both_accept(why: str) -> Verdicts:
    return Verdicts(service=Share.ALL, library=Share.ALL, why=why)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One way to spoil or vary a delivery: in its age, before or after it is signed, or in whose secret judges it."""

    name: str
    # How many seconds ago it is signed; None: freshly.
    age: Callable[["WebhookVendor", Random], int] | None = None
    # How it is signed; None: as the vendor's deliveries are.
    sign: Sign | None = None
    before: Callable[["WebhookVendor", Draft, Random], Draft] = lambda vendor, draft, rng: draft
    after: Callable[["WebhookVendor", Delivery, Random], Delivery] | None = None
    other_secret: bool = False
    # Who accepts, unless the vendor's row says otherwise.
    verdicts: Callable[["WebhookVendor"], Verdicts] = lambda vendor: BOTH_REFUSE
    # The reasons that the service may give.
    reasons: frozenset[str] = frozenset({"SIGNATURE_MISMATCH"})
    applies: Callable[["WebhookVendor"], bool] = lambda vendor: True


@dataclass(frozen=True, kw_only=True)
class WebhookVendor(Vendor):
    """One scheme of webhooks, and the library, or the formula in Python, that knows it."""

    # The package that judges, such as "PyPI stripe"; None: the formula.
    library: str | None = None
    # Who signs. What others sign, the package must accept as well.
    signer: str = "formula"
    sign: Sign
    accept: Accept
    # What the signature covers, by the names of ProvenPart, and what else in one delivery, such as `query:data.id`.
    proven: frozenset[str] = BODY
    also_proven: Callable[[Delivery], set[str]] = lambda delivery: set()
    # The text form of a signed time in Unix milliseconds; None: no time is signed.
    stamp: Callable[[int], str] | None = None
    # Whether signed_time is known: the unit of the timestamp is.
    states_time: bool = True
    # How old, and how early, a delivery may be by the service; None: it does not look.
    past_secs: int | None = None
    future_secs: int | None = None
    # The library's window to either side, where it is another one.
    library_past_secs: int | None = None
    library_future_secs: int | None = None
    # Whether the deliveries have an id.
    has_id: bool = False
    # How the signature is written: "hex", "HEX", "base64", "base64url"; None: it is no digest.
    encoding: str | None = "hex"
    padded: bool = True
    signature_in_header: bool = True
    # The kinds of bodies that the library takes.
    bodies: tuple[samples.Body, ...] = samples.TEXT
    # Spoils a body.
    flip: Callable[[Random, bytes], bytes] = samples.flip_byte
    # The further headers, the methods and the URLs of deliveries.
    headers: Callable[[Random], tuple[Header, ...]] = lambda rng: ()
    methods: tuple[str, ...] = ("POST",)
    url: Callable[[Random], str] = lambda rng: ""
    # What makes such a draft one of this vendor.
    finish: Callable[[Draft, Random], Draft] = lambda draft, rng: draft
    # Another URL that is not the signed one.
    other_url: Callable[[str], str] = samples.other_url
    # Whether Sign makes the very values of the vendor: not where the vendor's private key or random numbers sign, where
    # a time has several forms or a unit that nobody states, where JSON is printed anew or an id may be absent.
    exact: bool = True
    # Changes of this vendor's own, beside those that all have.
    changes: tuple[Change, ...] = ()
    # Who accepts what Sign makes.
    made_by_sign: Verdicts = BOTH_ACCEPT
    # Who accepts a changed delivery, by the name of the change, where it is not nobody.
    verdicts: dict[str, Verdicts] = field(default_factory=dict)
    # The drafts so far, by their numbers.
    drawn_up: dict[int, Draft] = field(default_factory=dict)

    def draft(self, rng: Random, number: int, at_ms: int) -> Draft:
        """The draft of a number, the same in every run and for every use but for its time."""
        if number not in self.drawn_up:
            self.drawn_up[number] = self._draw_up(self.rng(number), number)
        return self.finish(dataclasses.replace(self.drawn_up[number], at_ms=at_ms), rng)

    def _draw_up(self, rng: Random, number: int) -> Draft:
        return Draft(
            body=samples.body(rng, number, self.bodies),
            at_ms=0,
            method=rng.choice(self.methods),
            url=self.url(rng),
            headers=self.headers(rng),
            noise=samples.letters(rng, 50),
        )

    def expected(self, change: Change) -> Verdicts:
        return self.verdicts.get(change.name) or change.verdicts(self)


def one_by_one(sign: Callable[[str, Draft], Delivery]) -> Sign:
    return lambda key, drafts: [sign(key, draft) for draft in drafts]


def accepts(check: Callable[[str, dict[str, str], Delivery], object], *refusals: type[Exception]) -> Accept:
    """The check of a library, of a key, headers and a delivery: it answers False or raises on a refusal.

    Libraries that want text raise on a body that is none, and there is no calling one without its headers.
    """

    def accept(key: str, delivery: Delivery) -> bool:
        try:
            return check(key, delivery.joined(), delivery) is not False
        except (*refusals, KeyError, UnicodeDecodeError):
            return False

    return lambda key, deliveries: [accept(key, delivery) for delivery in deliveries]
