"""The same door as door.py through the generated client alone, as somebody without the SDK would call the service."""

import base64
import json
import os
import sys
from typing import Any
from urllib.parse import urlsplit

import grpc
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from countersign.v1 import countersign_pb2 as pb
from countersign.v1.countersign_pb2_grpc import CountersignServiceStub


def request(question: dict[str, Any]) -> Any:
    given = {name: value for name, value in question.items() if value is not None and name not in ("id", "rpc")}
    for name in ("claimed", "identity"):
        if name in given:
            given[name] = json_format.ParseDict(given[name], pb.Identity())
    if "headers" in given:
        given["headers"] = [pb.Header(name=name, value=value) for name, value in given["headers"]]
        given["body"] = base64.b64decode(given["body"])
    kind = {"VerifyWebhook": pb.VerifyWebhookRequest, "Verify": pb.VerifyRequest, "Sign": pb.SignRequest}
    return kind[question["rpc"]](**given)


def delivery(got: pb.VerifyWebhookResponse) -> dict[str, Any]:
    return {
        "decision": name(pb.Decision, got.decision),
        "reason": name(pb.Reason, got.reason),
        **version(got),
        "proven": [name(pb.ProvenPart, part) for part in got.proven],
        "proven_fields": list(got.proven_fields),
        "handshake": got.handshake.name if got.HasField("handshake") else None,
    }


def identity(got: pb.VerifyResponse) -> dict[str, Any]:
    return {
        "decision": name(pb.Decision, got.decision),
        "reason": name(pb.Reason, got.reason),
        **version(got),
        "trust": name(pb.Trust, got.trust),
        "shield": name(pb.Shield, got.shield),
        "verified": fields(got.verified) if got.HasField("verified") else None,
        "claimed": fields(got.claimed) if got.HasField("claimed") else None,
    }


def signed(got: pb.SignResponse) -> dict[str, Any]:
    return {"hash": got.hash or None, "token": got.token or None, **version(got)}


def fields(got: pb.Identity) -> dict[str, Any]:
    attributes = json.loads(json_format.MessageToJson(got.attributes), parse_float=number) or None
    return {"id": got.id, "email": got.email, "name": got.name, "attributes": attributes}


def number(text: str) -> float | int:
    return int(text.removesuffix(".0")) if text.endswith(".0") else float(text)


def version(got: Any) -> dict[str, Any]:
    if not got.HasField("version"):
        return {"version": None, "state": None}
    return {"version": got.version.number, "state": name(pb.VersionState, got.version.state)}


def name(kind: Any, number: int) -> str | None:
    """The name without the prefix, which is that of the value 0 up to UNSPECIFIED."""
    prefix = kind.Name(0).removesuffix("UNSPECIFIED")
    return kind.Name(number).removeprefix(prefix) if number else None


def error(raised: Any) -> dict[str, Any]:
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    details = dict(raised.trailing_metadata()).get("grpc-status-details-bin", b"")
    for detail in status_pb2.Status.FromString(details).details:
        _ = detail.Unpack(info) or detail.Unpack(bad)
    at_fault = [violation.field for violation in bad.field_violations]
    return {"error": {"code": raised.code().name, "reason": info.reason or None, "fields": at_fault}}


def answer(stub: CountersignServiceStub, metadata: list[tuple[str, str]], question: dict[str, Any]) -> dict[str, Any]:
    read = {"VerifyWebhook": delivery, "Verify": identity, "Sign": signed}[question["rpc"]]
    try:
        got = getattr(stub, question["rpc"])(request(question), metadata=metadata, timeout=5)
    except grpc.RpcError as raised:
        return {"id": question["id"], **error(raised)}
    return {"id": question["id"], **read(got)}  # type: ignore[operator]


if __name__ == "__main__":
    token = os.environ.get("COUNTERSIGN_TOKEN")
    bearer = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(urlsplit(os.environ["COUNTERSIGN_SERVER"]).netloc) as channel:
        for line in sys.stdin:
            said = answer(CountersignServiceStub(channel), bearer, json.loads(line))
            print(json.dumps(said, ensure_ascii=False), flush=True)
