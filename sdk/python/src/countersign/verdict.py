"""Verdicts and proofs. What is not understood, or lacks a part that it must have, is an error and never a verdict."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from countersign.enums import (
    CauseCode,
    CheckOutcome,
    Decision,
    ProvenPart,
    Reason,
    Replay,
    Shield,
    Trust,
    VersionState,
    WireEnum,
)
from countersign.errors import not_understood
from countersign.identity import Identity
from countersign.v1 import countersign_pb2 as pb
from countersign.v1 import secret_pb2

E = TypeVar("E", bound=WireEnum)


@dataclass(frozen=True)
class VersionUse:
    """Which version of a secret was used. `grace_end_time` is set in the state GRACE alone."""

    number: int
    state: VersionState
    grace_end_time: datetime | None = None


@dataclass(frozen=True)
class Verdict:
    """The verdict on an identity. It is true in an `if` only where the identity is proven."""

    decision: Decision
    trust: Trust
    #: What to do with an earlier verified flag on the record.
    shield: Shield
    #: Why the proof was not accepted; None when it was, or when nothing was checked.
    reason: Reason | None
    #: Just the fields that the proof covers; None unless verified.
    identity: Identity | None
    #: What was claimed and not proven.
    claimed: Identity | None
    #: The version that verified.
    version: VersionUse | None
    #: When the proof itself ends.
    proof_expire_time: datetime | None

    @property
    def allowed(self) -> bool:
        """Whether the mode of the secret lets the request go on, proven or not."""
        return self.decision is Decision.ALLOW

    @property
    def verified(self) -> bool:
        """Whether the identity is proven."""
        return self.allowed and self.trust is Trust.VERIFIED

    def __bool__(self) -> bool:
        return self.verified

    @classmethod
    def from_wire(cls, wire: pb.VerifyResponse) -> "Verdict":
        verdict = cls(
            decision=_required(_known(Decision, wire.decision), "decision"),
            trust=_required(_known(Trust, wire.trust), "trust"),
            shield=_required(_known(Shield, wire.shield), "shield"),
            reason=_known(Reason, wire.reason),
            identity=Identity.from_wire(wire.verified) if wire.HasField("verified") else None,
            claimed=Identity.from_wire(wire.claimed) if wire.HasField("claimed") else None,
            version=_version(wire),
            proof_expire_time=_time(wire, "proof_expire_time"),
        )
        if verdict.verified != (verdict.identity is not None):
            raise not_understood("an identity and a trust that do not go together")
        return verdict


@dataclass(frozen=True)
class Handshake:
    """The HTTP response that a vendor's handshake wants."""

    name: str
    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True)
class WebhookVerdict:
    """The verdict on a delivery. It is true in an `if` only where the delivery is genuine."""

    decision: Decision
    #: Why it was refused.
    reason: Reason | None
    #: When the delivery says that it was signed, if the signature covers it.
    signed_time: datetime | None
    #: How long ago that is; negative where the sender's clock is ahead.
    age: timedelta | None
    #: The vendor's delivery id. `proven` says whether the signature covers it.
    delivery_id: str | None
    #: What the signature really covers. Nothing else of the request is proven.
    proven: list[ProvenPart]
    #: Single fields that it covers besides, such as "query:data.id".
    proven_fields: list[str]
    #: Whether this delivery was seen before; None on a refusal before that was looked at.
    replay: Replay | None
    #: The version that verified; None on a refusal.
    version: VersionUse | None
    #: Set when this is the vendor's question whether the endpoint is yours, and no event: send this response.
    handshake: Handshake | None

    @property
    def allowed(self) -> bool:
        return self.decision is Decision.ALLOW

    @property
    def verified(self) -> bool:
        """Whether the delivery is genuine."""
        return self.allowed

    @property
    def is_event(self) -> bool:
        """Whether it is a genuine event, and no handshake."""
        return self.verified and self.handshake is None

    def __bool__(self) -> bool:
        return self.is_event

    @classmethod
    def from_wire(cls, wire: pb.VerifyWebhookResponse) -> "WebhookVerdict":
        return cls(
            decision=_required(_known(Decision, wire.decision), "decision"),
            reason=_known(Reason, wire.reason),
            signed_time=_time(wire, "signed_time"),
            age=_span(wire.age) if wire.HasField("age") else None,
            delivery_id=wire.delivery_id or None,
            proven=[_required(_known(ProvenPart, part), "proven") for part in wire.proven],
            proven_fields=list(wire.proven_fields),
            replay=_known(Replay, wire.replay),
            version=_version(wire),
            handshake=_handshake(wire.handshake) if wire.HasField("handshake") else None,
        )


@dataclass(frozen=True)
class Signed:
    """A proof: just one of hash, token, headers and resource_id, by the purpose of the secret. It vouches for a user,
    so none of it shows in a repr."""

    version: VersionUse
    #: When the proof stops being accepted by age; None for proofs without a time.
    expire_time: datetime | None
    hash: str | None = field(repr=False)
    token: str | None = field(repr=False)
    #: Of a webhook: the headers to send beside the body.
    headers: list[tuple[str, str]] = field(repr=False)
    resource_id: str | None = field(repr=False)
    #: Of a webhook: the body and the URL to send, where the scheme writes into them.
    body: bytes | None = field(repr=False)
    url: str | None = field(repr=False)

    @property
    def proof(self) -> str:
        """The text for the page: the hash, token or resource id. Empty for a webhook."""
        return self.hash or self.token or self.resource_id or ""

    @classmethod
    def from_wire(cls, wire: pb.SignResponse) -> "Signed":
        proofs = (wire.hash, wire.token, wire.headers or wire.HasField("body") or wire.url, wire.resource_id)
        if sum(map(bool, proofs)) != 1:
            raise not_understood("no proof, or more than one")
        return cls(
            version=_required(_version(wire), "version"),
            expire_time=_time(wire, "expire_time"),
            hash=wire.hash or None,
            token=wire.token or None,
            headers=_header_pairs(wire.headers),
            resource_id=wire.resource_id or None,
            body=wire.body if wire.HasField("body") else None,
            url=wire.url or None,
        )


@dataclass(frozen=True)
class NewVersion:
    """A secret that was created or rotated."""

    secret: secret_pb2.Secret
    #: Number of the new version.
    version: int
    #: The generated key, shown once; empty for an imported one.
    revealed_key: str = field(repr=False)

    @classmethod
    def from_wire(cls, wire: secret_pb2.CreateSecretResponse | secret_pb2.RotateSecretResponse) -> "NewVersion":
        if not wire.HasField("secret"):
            raise not_understood("no secret")
        return cls(secret=wire.secret, version=wire.version, revealed_key=wire.revealed_key)


@dataclass(frozen=True)
class Step:
    """One step of a check."""

    name: str
    outcome: CheckOutcome
    detail: str


@dataclass(frozen=True)
class Cause:
    """Something that may have gone wrong, and what to change."""

    code: CauseCode
    summary: str
    fix: str


@dataclass(frozen=True)
class Explanation:
    """Why a check fails, for people; programs go by verdicts. The likeliest cause stands first."""

    decision: Decision
    reason: Reason | None
    checks: list[Step]
    causes: list[Cause]

    @classmethod
    def from_wire(cls, wire: pb.ExplainResponse) -> "Explanation":
        return cls(
            decision=_required(_known(Decision, wire.decision), "decision"),
            reason=_known(Reason, wire.reason),
            checks=[
                Step(it.name, _required(_known(CheckOutcome, it.outcome), "outcome"), it.detail) for it in wire.checks
            ],
            causes=[Cause(_required(_known(CauseCode, it.code), "code"), it.summary, it.fix) for it in wire.causes],
        )


T = TypeVar("T")


def _known(kind: type[E], number: int) -> E | None:
    """None for 0. A reason or cause only explains, so those of a newer service read as UNRECOGNIZED."""
    if number == 0:
        return None
    for member in kind:
        if member.number == number:
            return member
    if "UNRECOGNIZED" in kind.__members__:
        return kind["UNRECOGNIZED"]
    raise not_understood(f"an unknown {kind.__name__} ({number})")


def _required(value: T | None, what: str) -> T:
    if value is None:
        raise not_understood(f"no {what}")
    return value


def _version(wire: Any) -> VersionUse | None:
    if not wire.HasField("version"):
        return None
    use = wire.version
    state = _required(_known(VersionState, use.state), "state of the version")
    return VersionUse(number=use.number, state=state, grace_end_time=_time(use, "grace_end_time"))


def _time(wire: Any, name: str) -> datetime | None:
    if not wire.HasField(name):
        return None
    value: Timestamp = getattr(wire, name)
    try:
        return value.ToDatetime(timezone.utc)
    except (ValueError, OverflowError):
        raise not_understood(f"a {name} that is no time") from None


def _span(wire: Duration) -> timedelta:
    try:
        return wire.ToTimedelta()
    except (ValueError, OverflowError):
        raise not_understood("an age that is no span of time") from None


def _handshake(wire: pb.Handshake) -> Handshake:
    if not 200 <= wire.status <= 599:
        raise not_understood("a handshake without a status")
    return Handshake(wire.name, wire.status, _header_pairs(wire.headers), wire.body)


def _header_pairs(wire: Any) -> list[tuple[str, str]]:
    pairs = [(header.name, header.value) for header in wire]
    if any(not name or set("\r\n\0") & {*name, *value} for name, value in pairs):
        raise not_understood("something that is no header")
    return pairs
