"""Every method of the client, once: what is asked and how the answer is read. The blocking client and that of asyncio
differ only in how they wait."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import uuid4

from google.protobuf.duration_pb2 import Duration

from countersign.errors import invalid
from countersign.headers import Headers, wire_headers
from countersign.identity import Identity, message
from countersign.v1 import countersign_pb2 as pb
from countersign.v1 import secret_pb2
from countersign.v1.countersign_pb2_grpc import CountersignServiceStub
from countersign.v1.secret_pb2_grpc import SecretServiceStub
from countersign.verdict import Explanation, NewVersion, Signed, Verdict, WebhookVerdict

T_co = TypeVar("T_co", covariant=True)
Body: TypeAlias = bytes | bytearray | memoryview


@dataclass(frozen=True)
class Call(Generic[T_co]):
    """A call to make."""

    stub: type[Any]
    method: str
    request: Any
    read: Callable[[Any], T_co]


def webhook_request(
    secret: str,
    headers: Headers,
    body: Body,
    *,
    method: str = "",
    url: str = "",
    credential_headers: Collection[str] = (),
) -> pb.VerifyWebhookRequest:
    """The request that `verify_webhook` sends, to have it explained."""
    if not isinstance(body, bytes | bytearray | memoryview):
        hint = f"is {type(body).__name__}, not bytes: give the raw bytes as they came off the socket, before any parser"
        raise invalid("body", hint)
    return message(
        pb.VerifyWebhookRequest,
        secret=secret,
        headers=wire_headers(headers, credential_headers),
        body=bytes(body),
        method=method,
        url=url,
    )


def identity_request(
    secret: str, claimed: Identity | None = None, *, hash: str | None = None, token: str | None = None
) -> pb.VerifyRequest:
    """The request that `verify` sends, to have it explained."""
    _one_at_most(hash=hash, token=token)
    wire = claimed.to_wire() if claimed else None
    return message(pb.VerifyRequest, secret=secret, claimed=wire, hash=hash, token=token)


class Calls:
    """What both clients can do."""

    def verify_webhook(
        self,
        secret: str,
        headers: Headers,
        body: Body,
        *,
        method: str = "",
        url: str = "",
        credential_headers: Collection[str] = (),
    ) -> Call[WebhookVerdict]:
        """Checks a webhook delivery: its headers and the raw bytes of its body, as received, before any parser.

        `headers` is a mapping, pairs, or what the framework has. `method` and `url` (as registered with the vendor) are
        for schemes that sign them. Cookies and authorization stay behind unless named in `credential_headers`;
        "monday.webhook" needs `{"authorization"}`.

        A refused delivery is a verdict. Raises CountersignError where there is none.
        """
        request = webhook_request(secret, headers, body, method=method, url=url, credential_headers=credential_headers)
        return Call(CountersignServiceStub, "VerifyWebhook", request, WebhookVerdict.from_wire)

    def verify(
        self, secret: str, claimed: Identity | None = None, *, hash: str | None = None, token: str | None = None
    ) -> Call[Verdict]:
        """Checks whether an identity is who they claim to be, by a hash, a token or no proof at all.

        An empty hash or token is a bad proof, not a missing one. A refused proof is a verdict. Raises CountersignError
        where there is none.
        """
        request = identity_request(secret, claimed, hash=hash, token=token)
        return Call(CountersignServiceStub, "Verify", request, Verdict.from_wire)

    def sign(
        self,
        secret: str,
        identity: Identity | None = None,
        *,
        webhook: pb.WebhookToSign | None = None,
        resource_id: str | None = None,
        ttl: timedelta | None = None,
    ) -> Call[Signed]:
        """Makes a proof, by the purpose of the secret: of an identity, a delivery or a resource id.

        `ttl` is for tokens; without one the scheme's default holds. Raises CountersignError.
        """
        _one_at_most(identity=identity, webhook=webhook, resource_id=resource_id)
        request = message(
            pb.SignRequest,
            secret=secret,
            identity=identity.to_wire() if identity is not None else None,
            webhook=webhook,
            resource_id=resource_id,
            ttl=_duration(ttl, "ttl"),
        )
        return Call(CountersignServiceStub, "Sign", request, Signed.from_wire)

    def explain(self, check: pb.VerifyWebhookRequest | pb.VerifyRequest) -> Call[Explanation]:
        """Says why a check fails and what to change, of a `webhook_request` or an `identity_request`. It changes no
        verdict; the service limits how often it may be asked. Raises CountersignError."""
        field = "verify" if isinstance(check, pb.VerifyRequest) else "webhook"
        request = message(pb.ExplainRequest, **{field: check})
        return Call(CountersignServiceStub, "Explain", request, Explanation.from_wire)

    def create_secret(
        self,
        name: str,
        scheme: str,
        *,
        mode: "secret_pb2.Mode.ValueType" = secret_pb2.MODE_UNSPECIFIED,
        imported_key: str = "",
        key_id: str = "",
        parameters: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        tolerance: timedelta | None = None,
        timestamp_unit: "secret_pb2.TimestampUnit.ValueType" = secret_pb2.TIMESTAMP_UNIT_UNSPECIFIED,
        replay_policy: "secret_pb2.ReplayPolicy.ValueType" = secret_pb2.REPLAY_POLICY_UNSPECIFIED,
        request_id: str | None = None,
    ) -> Call[NewVersion]:
        """Creates a secret, with a key of the vendor's or a new one, which the answer reveals just once. Those of
        identities need a `mode`, such as `secret_pb2.MODE_REQUIRED`.

        The same `request_id` with the same arguments answers the same for 24 hours; one is made if none is given.
        Raises CountersignError.
        """
        request = message(
            secret_pb2.CreateSecretRequest,
            request_id=_new_id() if request_id is None else request_id,
            name=name,
            scheme=scheme,
            mode=mode,
            imported_key=imported_key,
            key_id=key_id,
            parameters=parameters,
            labels=labels,
            tolerance=_duration(tolerance, "tolerance"),
            timestamp_unit=timestamp_unit,
            replay_policy=replay_policy,
        )
        return Call(SecretServiceStub, "CreateSecret", request, NewVersion.from_wire)

    def rotate_secret(
        self,
        name: str,
        *,
        grace_period: timedelta | None = None,
        emergency: bool = False,
        imported_key: str = "",
        key_id: str = "",
        expected_version: int = 0,
        stage: bool = False,
        validate_only: bool = False,
        request_id: str | None = None,
    ) -> Call[NewVersion]:
        """Makes a new version, which signs at once unless `stage` is set. The old one goes on verifying for
        `grace_period`, 24 hours if unset, or is dead when this returns if `emergency` is set.

        The same `request_id` with the same arguments answers the same for 24 hours; one is made if none is given.
        Raises CountersignError.
        """
        _one_at_most(grace_period=grace_period, emergency=emergency or None)
        request = message(
            secret_pb2.RotateSecretRequest,
            request_id=_new_id() if request_id is None else request_id,
            name=name,
            grace_period=_duration(grace_period, "grace_period"),
            emergency=emergency or None,
            imported_key=imported_key,
            key_id=key_id,
            expected_version=expected_version,
            stage=stage,
            validate_only=validate_only,
        )
        return Call(SecretServiceStub, "RotateSecret", request, NewVersion.from_wire)


def _new_id() -> str:
    return str(uuid4())


def _duration(span: timedelta | None, field: str) -> Duration | None:
    if span is None:
        return None
    wire = Duration()
    try:
        wire.FromTimedelta(span)
    except (AttributeError, TypeError, ValueError):
        raise invalid(field, "is no datetime.timedelta that the wire can carry") from None
    return wire


def _one_at_most(**given: object) -> None:
    """The wire would silently take the last of several."""
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise invalid(names[-1], f"excludes {names[0]}: give one of them")
