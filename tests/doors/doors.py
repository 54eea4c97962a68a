"""Asks the same questions through every door and compares the answers.

The arguments name the doors (`NAME=COMMAND`); the reference is JSON over HTTP/1.1. All ask the server in
COUNTERSIGN_SERVER. First come questions of our own, see `more`, then every case of the conformance kit: this program is
the verifier of `countersign conformance run --live`, and whatever differs makes a case fail. sdk/README.md says what
questions and answers look like.
"""

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import shlex
import subprocess
import sys
import tempfile
import urllib.parse
import uuid
from collections.abc import Iterator
from typing import TextIO

PREFIXES = ("DECISION_", "REASON_", "TRUST_", "SHIELD_", "VERSION_STATE_", "PROVEN_PART_")
ANSWER_SECS = 30


class Json:
    """The reference: plain JSON, with no client library at all."""

    name = "JSON over HTTP/1.1"

    def __init__(self, server: str):
        self._server = urllib.parse.urlsplit(server).netloc

    def call(self, service: str, rpc: str, message: dict) -> tuple[int, dict]:
        path = f"/countersign.v1.{service}/{rpc}"
        # One that waits for the doors to start would be closed meanwhile.
        with contextlib.closing(http.client.HTTPConnection(self._server, timeout=ANSWER_SECS)) as connection:
            connection.request("POST", path, json.dumps(message), {"content-type": "application/json"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def answer(self, question: dict) -> dict:
        rpc = question["rpc"]
        status, answer = self.call("CountersignService", rpc, as_message(question))
        if status != 200:
            return {"id": question["id"], "error": refusal(answer)}
        version = answer.get("version", {})
        common = {"id": question["id"], "version": version.get("number"), "state": plain(version.get("state"))}
        if rpc == "Sign":
            return common | {"hash": answer.get("hash"), "token": answer.get("token")}
        common |= {"decision": plain(answer["decision"]), "reason": plain(answer.get("reason"))}
        if rpc == "Verify":
            trust, shield = plain(answer["trust"]), plain(answer["shield"])
            identities = {name: identity(answer.get(name)) for name in ("verified", "claimed")}
            return common | {"trust": trust, "shield": shield} | identities
        return common | {
            "proven": [plain(part) for part in answer.get("proven", [])],
            "proven_fields": answer.get("provenFields", []),
            "handshake": answer.get("handshake", {}).get("name"),
        }


class Door:
    """A program that answers a question a line."""

    def __init__(self, name: str, command: str):
        self.name = name
        self._process = subprocess.Popen(
            shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def ask(self, question: dict) -> None:
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"doors: {self.name} ended: {self._process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        self._process.stdin.close()
        if self._process.wait(ANSWER_SECS) != 0:
            raise SystemExit(f"doors: {self.name} ended with {self._process.returncode}")


class Doors:
    """All doors, and how often each of them answered as the reference did."""

    def __init__(self, reference: Json, doors: list[Door]):
        self._reference = reference
        self._doors = doors
        self._equal = {door.name: 0 for door in doors}
        self._differ: dict[str, list[str]] = {door.name: [] for door in doors}
        self._kinds: dict[str, int] = {}

    def ask(self, question: dict) -> tuple[dict, list[str]]:
        """The answer of the reference, and the doors that answered something else."""
        for door in self._doors:
            door.ask(question)
        expected = self._reference.answer(question)
        kind = expected["error"]["reason"] if "error" in expected else expected.get("reason") or "accepted"
        self._kinds[kind] = self._kinds.get(kind, 0) + 1
        others = []
        for door in self._doors:
            answer = door.answer()
            if answer == expected:
                self._equal[door.name] += 1
            else:
                others.append(door.name)
                self._differ[door.name].append(f"{question['id']}: {answer} in place of {expected}")
        return expected, others

    def report(self) -> int:
        """Prints the table; the exit code."""
        total = sum(self._kinds.values())
        print(f"{total} questions, compared with {self._reference.name}:")
        for name, equal in self._equal.items():
            print(f"  {name:32} {equal:5} equal  {total - equal:4} differ")
        for kind, count in sorted(self._kinds.items(), key=lambda kind: -kind[1]):
            print(f"  {count:5} × {kind}")
        for differences in self._differ.values():
            for difference in differences[:3]:
                print(f"  {difference}")
        for door in self._doors:
            door.close()
        return int(any(self._differ.values()) or not self._doors)


class Secrets:
    """The secret of a case. One key belongs to one secret, so the one before goes first."""

    def __init__(self, reference: Json):
        self._reference = reference
        self._current: tuple[str, str] | None = None

    def of(self, case: dict) -> str:
        parts = ("scheme", "key", "key_id", "parameters", "purpose")
        made_of = {part: case[part] for part in parts if case.get(part)}
        text = json.dumps(made_of, sort_keys=True)
        if self._current and self._current[1] == text:
            return self._current[0]
        self.clear()
        name = f"doors/{uuid.uuid4()}"
        self._change("CreateSecret", creation(name, made_of))
        self._current = (name, text)
        return name

    def clear(self) -> None:
        if self._current:
            self._change("DeleteSecret", {"name": self._current[0], "force": True})
            self._current = None

    def _change(self, rpc: str, message: dict) -> None:
        status, answer = self._reference.call("SecretService", rpc, message)
        if status != 200:
            raise SystemExit(f"doors: {rpc} for a case: {answer['message']}")


def creation(name: str, case: dict) -> dict:
    message = {
        "requestId": str(uuid.uuid4()),
        "name": name,
        "scheme": case["scheme"],
        "importedKey": case["key"],
        "keyId": case.get("key_id", ""),
        "parameters": case.get("parameters", {}),
    }
    if case["purpose"].startswith("identity"):
        message["mode"] = "MODE_REQUIRED"
    return message


def question_of(case: dict, secret: str) -> dict | None:
    """The question that a case asks; none for a purpose that no door checks."""
    question = {"id": case["id"], "secret": secret}
    if case["purpose"] == "webhook":
        body = base64.b64decode(case["body_base64"]) if "body_base64" in case else case.get("body", "").encode()
        question |= {"rpc": "VerifyWebhook", "headers": case.get("headers", [])}
        question |= {"body": base64.b64encode(body).decode()}
        return question | {part: case[part] for part in ("method", "url") if part in case}
    if case["purpose"] == "resource_id":
        return None
    parts = ("claimed", "hash", "token")
    return question | {"rpc": "Verify"} | {part: case[part] for part in parts if part in case}


def as_message(question: dict) -> dict:
    """The request message of a question, in JSON."""
    message = {name: value for name, value in question.items() if name not in ("id", "rpc")}
    if "headers" in message:
        message["headers"] = [{"name": name, "value": value} for name, value in message["headers"]]
    return message


def plain(value: str | None) -> str | None:
    for prefix in PREFIXES:
        if value and value.startswith(prefix):
            return value.removeprefix(prefix)
    return value


def identity(value: dict | None) -> dict | None:
    if value is None:
        return None
    texts = {name: value.get(name, "") for name in ("id", "email", "name")}
    return texts | {"attributes": value.get("attributes")}


def refusal(error: dict) -> dict:
    debug = {detail["type"]: detail["debug"] for detail in error["details"]}
    violations = debug.get("google.rpc.BadRequest", {}).get("fieldViolations", [])
    return {
        "code": error["code"].upper(),
        "reason": debug["google.rpc.ErrorInfo"]["reason"],
        "fields": [violation["field"] for violation in violations],
    }


def more(secrets: Secrets) -> Iterator[dict]:
    """Questions that the kit does not ask: odd bytes, much of everything, errors, signatures."""
    hook = {"scheme": "github.webhook", "key": f"key-of-the-doors-{uuid.uuid4()}", "purpose": "webhook"}
    for name, body in {
        "no body": b"",
        "every byte": bytes(range(256)) * 16,
        "not UTF-8": b"\xff\xfe\x00{",
        "1 MiB": b"\xc3\xbc" * (1 << 19),
        "over 1 MiB": b"a" * ((1 << 20) + 1),
    }.items():
        digest = signature(hook["key"], body)
        for headers in (
            [["X-Hub-Signature-256", digest]],
            [["x-hub-signature-256", digest], ["X-HUB-SIGNATURE-256", digest]],
            [["X-Hub-Signature-256", digest[:-2] + "zz"]],
            [["Cookie", "a=b"], ["X-Other", "gr\u00fc\u00df\u20ac"], ["X-Hub-Signature-256", digest]],
            [],
        ):
            yield {
                "id": f"{name}, {len(headers)} headers",
                "rpc": "VerifyWebhook",
                "secret": secrets.of(hook),
                "headers": headers,
                "body": base64.b64encode(body).decode(),
            }
    chat = {"scheme": "chatwoot.identity", "key": f"key-of-the-chat-{uuid.uuid4()}", "purpose": "identity_hash"}
    attributes = {"plan": "gold", "seats": 3, "tags": ["a", None, True, 1.5], "deep": {"ü": {}}}
    for claimed in ({"id": "user-1"}, {"id": "üser ✓", "email": "a@b.c", "name": "Å", "attributes": attributes}, {}):
        for proof in ({}, {"hash": ""}, {"hash": "00" * 32}, {"token": "a.b.c"}):
            yield {
                "id": f"{claimed} {proof}",
                "rpc": "Verify",
                "secret": secrets.of(chat),
                "claimed": claimed,
            } | proof
        yield {"id": f"sign {claimed}", "rpc": "Sign", "secret": secrets.of(chat), "identity": claimed}
    for secret in ("doors/nobody", "Not A Name", ""):
        yield {"id": f"of {secret!r}", "rpc": "Verify", "secret": secret, "claimed": {"id": "u"}}
        yield {"id": f"sign with {secret!r}", "rpc": "Sign", "secret": secret, "identity": {"id": "u"}}
        yield {"id": f"hook of {secret!r}", "rpc": "VerifyWebhook", "secret": secret, "headers": [], "body": ""}


def signature(key: str, body: bytes) -> str:
    return "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


def verdict(question: dict, answer: dict) -> dict:
    """What the runner of the kit wants to know."""
    if "error" in answer:
        return {"accept": False, "reason": answer["error"]["reason"]}
    accept = answer["decision"] == "ALLOW" and answer.get("trust", "VERIFIED") == "VERIFIED"
    return {"accept": accept} | ({"reason": answer["reason"]} if answer["reason"] else {})


@contextlib.contextmanager
def conformance_run() -> Iterator[tuple[TextIO, TextIO, subprocess.Popen]]:
    """The runner of the kit, with this process as its verifier: the cases, a file for the answers, and the runner. The
    verifier that it starts passes on what we say, because it would not wait until all doors are open."""
    with tempfile.TemporaryDirectory() as folder:
        cases, answers = (os.path.join(folder, name) for name in ("cases", "answers"))
        os.mkfifo(cases)
        os.mkfifo(answers)
        relay = f"cat {shlex.quote(answers)} & cat >{shlex.quote(cases)}; wait"
        run = [os.environ["COUNTERSIGN_BIN"], "conformance", "run", "--live", "--", "sh", "-c", relay]
        runner = subprocess.Popen(run, stdout=subprocess.PIPE, text=True)
        with open(answers, "w") as answers_file, open(cases) as cases_file:
            yield cases_file, answers_file, runner


def main() -> int:
    reference = Json(os.environ["COUNTERSIGN_SERVER"])
    named = (argument.split("=", 1) for argument in sys.argv[1:])
    doors = Doors(reference, [Door(name, command) for name, command in named])
    secrets = Secrets(reference)
    for question in more(secrets):
        doors.ask(question)
    with conformance_run() as (cases, answers, runner):
        for line in cases:
            case = json.loads(line)
            question = question_of(case, secrets.of(case))
            answer = {"skip": True}
            if question:
                found, others = doors.ask(question)
                answer = verdict(question, found)
                if others:
                    answer = {"accept": not answer["accept"], "reason": f"DIFFERS: {', '.join(others)}"}
            print(json.dumps({"id": case["id"]} | answer), file=answers, flush=True)
    score, _ = runner.communicate()
    secrets.clear()
    if runner.returncode != 0:
        print(score)
    print(*score.splitlines()[-2:], sep="\n")
    return doors.report() or runner.returncode


if __name__ == "__main__":
    sys.exit(main())
