"""The programs of the doors test: each question gets its answer, and both doors the same."""

import base64
import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import setting

from countersign import Countersign, Identity
from countersign.v1 import countersign_pb2 as pb
from countersign.v1 import secret_pb2

TESTS = Path(__file__).parent
CHATWOOT, GITHUB, SLACK = "demo/chatwoot-identity", "demo/github-webhook", "demo/slack-webhook"


def webhook(client: Countersign, secret: str, body: bytes) -> dict[str, Any]:
    headers = [["X-Bystander", "grün"], *map(list, client.sign(secret, webhook=pb.WebhookToSign(body=body)).headers)]
    encoded = base64.b64encode(body).decode()
    return {"rpc": "VerifyWebhook", "secret": secret, "headers": headers, "body": encoded}


def questions(client: Countersign) -> list[dict[str, Any]]:
    ada = {"id": "u1", "email": "ada@example.com"}
    hashed = client.sign(CHATWOOT, Identity(**ada)).hash
    tokens = f"demo/py-doors-{secrets.token_hex(8)}"
    client.create_secret(tokens, "countersign.token", mode=secret_pb2.MODE_REQUIRED)
    attributes = {"k": [1, "x", None, 0.5], "n": {"b": True}}
    token = client.sign(tokens, Identity(id="u1", attributes=attributes)).token
    hello = b'{"type":"url_verification","challenge":"x"}'
    return [
        webhook(client, GITHUB, b"\xff\x00"),
        {**webhook(client, GITHUB, b"{}"), "body": "e30K", "method": "POST", "url": "https://example.com/"},
        webhook(client, SLACK, hello),
        {**webhook(client, GITHUB, b""), "secret": "demo/none"},
        {"rpc": "VerifyWebhook", "secret": GITHUB, "headers": [], "body": ""},
        {"rpc": "Verify", "secret": CHATWOOT, "claimed": ada, "hash": hashed},
        {"rpc": "Verify", "secret": CHATWOOT, "claimed": {**ada, "attributes": attributes}, "hash": "no"},
        {"rpc": "Verify", "secret": CHATWOOT, "claimed": ada},
        {"rpc": "Verify", "secret": CHATWOOT, "claimed": {}, "hash": ""},
        {"rpc": "Verify", "secret": CHATWOOT},
        {"rpc": "Verify", "secret": tokens, "token": token},
        {"rpc": "Sign", "secret": CHATWOOT, "identity": {"id": "u1"}},
        {"rpc": "Sign", "secret": CHATWOOT, "identity": {"id": "a\x00b"}},
        {"rpc": "Sign", "secret": CHATWOOT},
        {"rpc": "Sign", "secret": "demo/none", "identity": {"id": "u1"}},
    ]


@pytest.fixture(scope="module")
def asked() -> list[dict[str, Any]]:
    with Countersign() as client:
        return [{"id": str(number), **question} for number, question in enumerate(questions(client))]


def answers(door: str, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    lines = "".join(json.dumps(question) + "\n" for question in asked)
    command = [sys.executable, str(TESTS / door)]
    run = subprocess.run(command, input=lines, capture_output=True, text=True, check=True, timeout=60)
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_both_doors_say_the_same_and_what_they_should(asked: list[dict[str, Any]]) -> None:
    setting("COUNTERSIGN_SERVER")
    said = answers("door.py", asked)
    assert said == answers("door_raw.py", asked)
    assert [answer["id"] for answer in said] == [question["id"] for question in asked]
    assert [list(answer) for answer in said[:1] + said[5:6]] == [
        ["id", "decision", "reason", "version", "state", "proven", "proven_fields", "handshake"],
        ["id", "decision", "reason", "version", "state", "trust", "shield", "verified", "claimed"],
    ]
    assert said[0] == {
        "id": "0",
        "decision": "ALLOW",
        "reason": None,
        "version": 1,
        "state": "ACTIVE",
        "proven": ["BODY"],
        "proven_fields": [],
        "handshake": None,
    }
    assert (said[1]["reason"], said[1]["state"]) == ("SIGNATURE_MISMATCH", None)
    assert said[2]["handshake"] == "url_verification"
    assert said[3]["error"] == {"code": "NOT_FOUND", "reason": "SECRET_NOT_FOUND", "fields": []}
    assert said[5]["verified"] == {"id": "u1", "email": "", "name": "", "attributes": None}
    assert '"k": [1, "x", null, 0.5]' in json.dumps(said[6]["claimed"]["attributes"])
    assert said[12]["error"]["fields"] == ["identity.id"]
