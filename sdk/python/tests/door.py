"""Asks the questions of the doors test through the SDK: one a line from standard input, one answer a line to standard
output.

sdk/README.md has the shape of both. The server and the token stand in the environment.
"""

import base64
import json
import sys
from typing import Any

from countersign import Countersign, CountersignError, Identity, VersionUse


def verify_webhook(client: Countersign, question: dict[str, Any]) -> dict[str, Any]:
    verdict = client.verify_webhook(
        question["secret"],
        [(name.encode(), value.encode()) for name, value in question["headers"]],
        base64.b64decode(question["body"]),
        method=question.get("method") or "",
        url=question.get("url") or "",
        credential_headers={"authorization"},
    )
    return {
        "decision": verdict.decision,
        "reason": verdict.reason,
        **version(verdict.version),
        "proven": verdict.proven,
        "proven_fields": verdict.proven_fields,
        "handshake": verdict.handshake and verdict.handshake.name,
    }


def verify(client: Countersign, question: dict[str, Any]) -> dict[str, Any]:
    verdict = client.verify(
        question["secret"],
        identity(question.get("claimed")),
        hash=question.get("hash"),
        token=question.get("token"),
    )
    return {
        "decision": verdict.decision,
        "reason": verdict.reason,
        **version(verdict.version),
        "trust": verdict.trust,
        "shield": verdict.shield,
        "verified": fields(verdict.identity),
        "claimed": fields(verdict.claimed),
    }


def sign(client: Countersign, question: dict[str, Any]) -> dict[str, Any]:
    signed = client.sign(question["secret"], identity(question.get("identity")))
    return {"hash": signed.hash, "token": signed.token, **version(signed.version)}


def identity(given: dict[str, Any] | None) -> Identity | None:
    if given is None:
        return None
    return Identity(**{name: value for name, value in given.items() if value is not None})


def fields(found: Identity | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"id": found.id, "email": found.email, "name": found.name, "attributes": found.attributes or None}


def version(use: VersionUse | None) -> dict[str, Any]:
    return {"version": use and use.number, "state": use and use.state}


def answer(client: Countersign, question: dict[str, Any]) -> dict[str, Any]:
    ask = {"VerifyWebhook": verify_webhook, "Verify": verify, "Sign": sign}[question["rpc"]]
    try:
        return {"id": question["id"], **ask(client, question)}
    except CountersignError as error:
        at_fault = [violation.field for violation in error.violations]
        return {"id": question["id"], "error": {"code": error.code.name, "reason": error.reason, "fields": at_fault}}


if __name__ == "__main__":
    with Countersign() as client:
        for line in sys.stdin:
            print(json.dumps(answer(client, json.loads(line)), ensure_ascii=False), flush=True)
