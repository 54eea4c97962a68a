"""The one error type. A refused proof is a verdict, never an error."""

from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

_ADVICE = {
    grpc.StatusCode.UNAUTHENTICATED: "give a valid token",
    grpc.StatusCode.PERMISSION_DENIED: "use a token that may do this",
    # Not "try again": a change may have happened all the same.
    grpc.StatusCode.UNAVAILABLE: "check that the server runs and can be reached",
    grpc.StatusCode.DEADLINE_EXCEEDED: "check that the server can be reached, or allow a longer deadline",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "wait a moment and try again",
    grpc.StatusCode.ABORTED: "somebody else changed it: read it again, then repeat",
    grpc.StatusCode.NOT_FOUND: "list what there is: secrets, their versions, or schemes",
}


@dataclass(frozen=True)
class Violation:
    """A field of the request that was not accepted, and what is wrong with it."""

    field: str
    description: str


class CountersignError(Exception):
    """No verdict, no proof, no change that is known of: the call failed, or its answer was not understood.

    `code` is the canonical gRPC code, `reason` the stable name in docs/errors.md, or None where the service gave none,
    `message` is for people, `violations` are the fields at fault. Nothing of the request is in any of them.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        reason: str | None = None,
        violations: tuple[Violation, ...] = (),
    ):
        super().__init__(code, message, reason, violations)
        self.code = code
        self.message = message
        self.reason = reason
        self.violations = violations

    def __str__(self) -> str:
        untold = (it for it in self.violations if it.description not in self.message)
        at_fault = "".join(f"; {it.field}: {it.description}" for it in untold)
        reason = f" [{self.reason}]" if self.reason else ""
        advice = f": {_ADVICE[self.code]}" if self.code in _ADVICE else ""
        return f"{self.message}{at_fault}{reason}{advice}"


def invalid(field: str, description: str) -> CountersignError:
    """What the caller gave cannot be sent."""
    violation = Violation(field, description)
    return CountersignError(grpc.StatusCode.INVALID_ARGUMENT, "the call cannot be made", violations=(violation,))


def not_understood(what: str) -> CountersignError:
    """The server's answer must not be taken for one that allows."""
    message = f"the server answered {what}: refuse the request, and update this client or the server"
    return CountersignError(grpc.StatusCode.INTERNAL, message)


def closed() -> CountersignError:
    return CountersignError(grpc.StatusCode.CANCELLED, "the client is closed")


def from_rpc(error: Any) -> CountersignError:
    """The error of a call that gRPC raised, blocking or not."""
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    metadata = error.trailing_metadata() or ()
    blob = next((value for key, value in metadata if key == "grpc-status-details-bin"), b"")
    try:
        for detail in status_pb2.Status.FromString(blob).details:
            _ = detail.Unpack(info) or detail.Unpack(bad)
    except DecodeError:
        pass  # the code and the message are still good
    violations = tuple(Violation(it.field, it.description) for it in bad.field_violations)
    return CountersignError(error.code(), error.details() or error.code().name, info.reason or None, violations)
