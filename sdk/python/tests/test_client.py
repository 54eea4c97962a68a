"""Both faces of the client against real servers."""

import logging
import secrets
import time
from datetime import timedelta
from typing import Any

import grpc
import pytest
from conftest import Connect, setting, text_of
from recorder import recorder

from countersign import (
    CauseCode,
    CheckOutcome,
    CountersignError,
    Decision,
    Identity,
    ProvenPart,
    Reason,
    Replay,
    Shield,
    Trust,
    VersionState,
    identity_request,
    webhook_request,
)
from countersign.v1 import countersign_pb2 as pb
from countersign.v1 import secret_pb2
from countersign.v1.countersign_pb2_grpc import CountersignServiceStub
from countersign.v1.secret_pb2_grpc import SecretServiceStub

STRIPE = "demo/stripe-webhook"
GITHUB = "demo/github-webhook"
CHATWOOT = "demo/chatwoot-identity"
ADA = Identity(id="user-42", email="ada@example.com", name="Ada")
BODY = b'{"hello":"world"}'
CODE = grpc.StatusCode


def new_name() -> str:
    return f"demo/sdk-python-{secrets.token_hex(8)}"


def signed_headers(client: Any, secret: str, body: bytes) -> list[tuple[str, str]]:
    headers: list[tuple[str, str]] = client.sign(secret, webhook=pb.WebhookToSign(body=body)).headers
    return headers


def refused(code: grpc.StatusCode) -> Any:
    return pytest.raises(CountersignError, check=lambda error: error.code is code)


# Webhooks


def test_a_genuine_delivery_is_verified_and_says_what_is_proven(client: Any) -> None:
    body = secrets.token_hex().encode()
    headers = signed_headers(client, STRIPE, body)
    verdict = client.verify_webhook(STRIPE, headers, body)
    assert verdict
    assert (verdict.verified, verdict.allowed, verdict.decision) == (True, True, Decision.ALLOW)
    assert verdict.is_event
    assert verdict.reason is None
    assert set(verdict.proven) == {ProvenPart.BODY, ProvenPart.TIMESTAMP}
    assert verdict.version.number >= 1
    assert verdict.version.state is VersionState.ACTIVE
    assert verdict.replay is Replay.FIRST
    assert abs(verdict.age) < timedelta(minutes=1)
    assert abs(verdict.signed_time.timestamp() - time.time()) < 60
    assert client.verify_webhook(STRIPE, headers, body).replay is Replay.DUPLICATE


def test_a_refused_delivery_is_a_verdict(client: Any) -> None:
    verdict = client.verify_webhook(STRIPE, signed_headers(client, STRIPE, BODY), BODY + b" ")
    assert not verdict
    assert (verdict.verified, verdict.allowed) == (False, False)
    assert verdict.reason is Reason.SIGNATURE_MISMATCH
    assert (verdict.proven, verdict.version) == ([], None)
    assert client.verify_webhook(STRIPE, {}, BODY).reason is Reason.HEADER_MISSING


@pytest.mark.parametrize("body", [bytes(range(256)), b"\xff\xfe\x00", b"", "grün".encode("latin-1")])
def test_any_bytes_are_a_body(client: Any, body: bytes) -> None:
    headers = signed_headers(client, GITHUB, body)
    for form in (bytes, bytearray, memoryview):
        assert client.verify_webhook(GITHUB, headers, form(body)).verified


def test_a_body_of_one_mebibyte_is_the_largest(client: Any) -> None:
    body = secrets.token_bytes(1 << 20)
    assert client.verify_webhook(GITHUB, signed_headers(client, GITHUB, body), body).verified
    with refused(CODE.INVALID_ARGUMENT) as caught:
        client.verify_webhook(GITHUB, {}, body + b"x")
    assert caught.value.reason == "BODY_TOO_LARGE"


@pytest.mark.parametrize("body", ['{"hello":"world"}', {"hello": "world"}, None, [1, 2], 7])
def test_what_is_not_bytes_is_no_body(client: Any, body: Any) -> None:
    with refused(CODE.INVALID_ARGUMENT) as caught:
        client.verify_webhook(STRIPE, {}, body)
    assert "raw bytes" in str(caught.value)
    assert "before any parser" in str(caught.value)
    assert "world" not in str(caught.value)


def test_repeated_headers_stay_repeated(client: Any) -> None:
    headers = signed_headers(client, GITHUB, BODY)
    assert client.verify_webhook(GITHUB, headers, BODY).verified
    assert client.verify_webhook(GITHUB, headers * 2, BODY).reason is Reason.HEADER_AMBIGUOUS
    lists = {name: [value, value] for name, value in headers}
    assert client.verify_webhook(GITHUB, lists, BODY).reason is Reason.HEADER_AMBIGUOUS


def test_authorization_is_sent_only_where_it_is_asked_for(connect: Connect) -> None:
    with recorder(pb.VerifyWebhookResponse(decision=pb.DECISION_ALLOW)) as seen:
        client = connect(seen.url)
        headers = {"Authorization": "jwt", "X-A": "1"}
        client.verify_webhook("a/b", headers, b"")
        client.verify_webhook("a/b", headers, b"", credential_headers={"Authorization"}, method="PUT", url="https://x/")
    first, second = seen.requests
    assert [header.name for header in first.headers] == ["x-a"]
    assert [header.name for header in second.headers] == ["authorization", "x-a"]
    assert (second.method, second.url) == ("PUT", "https://x/")


def test_a_handshake_comes_with_the_response_to_send(client: Any) -> None:
    body = b'{"type":"url_verification","challenge":"abc"}'
    headers = signed_headers(client, "demo/slack-webhook", body)
    verdict = client.verify_webhook("demo/slack-webhook", headers, body)
    assert (verdict.verified, verdict.is_event) == (True, False)
    assert verdict.handshake.name == "url_verification"
    assert verdict.handshake.status == 200
    assert b"abc" in verdict.handshake.body


# Identities


def test_a_hash_proves_just_the_field_that_it_covers(client: Any) -> None:
    signed = client.sign(CHATWOOT, ADA)
    assert signed.hash == signed.proof
    assert signed.token is None
    verdict = client.verify(CHATWOOT, ADA, hash=signed.hash)
    assert verdict
    assert (verdict.verified, verdict.trust, verdict.shield) == (True, Trust.VERIFIED, Shield.SET)
    assert verdict.identity == Identity(id="user-42")
    assert verdict.claimed == Identity(email="ada@example.com", name="Ada")


def test_a_stolen_hash_proves_nobody(client: Any) -> None:
    verdict = client.verify(CHATWOOT, Identity(id="mallory"), hash=client.sign(CHATWOOT, ADA).hash)
    assert not verdict
    assert (verdict.decision, verdict.trust, verdict.shield) == (Decision.DENY, Trust.UNVERIFIED, Shield.CLEAR)
    assert verdict.reason is Reason.SIGNATURE_MISMATCH
    assert verdict.identity is None


def test_an_allowed_identity_without_a_proof_is_not_verified(client: Any) -> None:
    name = new_name()
    client.create_secret(name, "chatwoot.identity", mode=secret_pb2.MODE_OPTIONAL)
    missing, empty = client.verify(name, ADA), client.verify(name, ADA, hash="")
    for verdict in (missing, empty):
        assert not verdict
        assert (verdict.allowed, verdict.verified, verdict.identity) == (True, False, None)
    assert missing.reason is Reason.PROOF_MISSING
    assert empty.reason not in (None, Reason.PROOF_MISSING)


def test_a_token_carries_attributes_and_an_end(client: Any) -> None:
    ada = Identity(id="user-42", attributes={"plan": "pro", "seats": 3, "beta": True, "tags": ["a", None, {"b": 0.5}]})
    name = new_name()
    client.create_secret(name, "countersign.token", mode=secret_pb2.MODE_REQUIRED)
    signed = client.sign(name, ada, ttl=timedelta(minutes=5))
    assert signed.token == signed.proof
    assert 280 < signed.expire_time.timestamp() - time.time() < 320
    verdict = client.verify(name, token=signed.token)
    assert verdict.verified
    assert verdict.proof_expire_time == signed.expire_time
    assert {name: verdict.identity.attributes[name] for name in ada.attributes} == ada.attributes


def test_two_proofs_or_inputs_at_once_are_refused(client: Any) -> None:
    for twice in (
        lambda: client.verify(CHATWOOT, ADA, hash="a", token="b"),
        lambda: client.sign(CHATWOOT, ADA, resource_id="x"),
        lambda: client.rotate_secret(CHATWOOT, emergency=True, grace_period=timedelta(hours=1)),
    ):
        with refused(CODE.INVALID_ARGUMENT):
            twice()


def test_a_resource_id_is_signed_the_same_twice(client: Any) -> None:
    first, second = (client.sign("demo/talkjs-conversation-id", resource_id="room-1") for _ in range(2))
    assert first.resource_id == second.resource_id == first.proof


# Rotation


def test_the_same_request_id_rotates_once(client: Any) -> None:
    name, request_id = new_name(), secrets.token_hex(16)
    created = client.create_secret(name, "chatwoot.identity", mode=secret_pb2.MODE_REQUIRED)
    old = client.sign(name, ADA)
    first, second = (client.rotate_secret(name, request_id=request_id) for _ in range(2))
    assert first.version == second.version == created.version + 1
    assert first.revealed_key == second.revealed_key != ""
    assert client.verify(name, ADA, hash=old.hash).version.state is VersionState.GRACE
    with refused(CODE.ALREADY_EXISTS) as caught:
        client.rotate_secret(name, request_id=request_id, emergency=True)
    assert caught.value.reason == "REQUEST_ID_CONFLICT"


def test_each_rotation_has_a_request_id_of_its_own(client: Any) -> None:
    name = new_name()
    client.create_secret(name, "chatwoot.identity", mode=secret_pb2.MODE_REQUIRED)
    old = client.sign(name, ADA)
    assert client.rotate_secret(name, emergency=True).version == 2
    assert client.rotate_secret(name, grace_period=timedelta(minutes=5), expected_version=2).version == 3
    assert not client.verify(name, ADA, hash=old.hash).verified
    with refused(CODE.ABORTED):
        client.rotate_secret(name, expected_version=2)


def test_a_creation_may_be_repeated(client: Any) -> None:
    name, request_id = new_name(), secrets.token_hex(16)
    arguments = {"imported_key": secrets.token_hex(), "labels": {"team": "chat"}, "request_id": request_id}
    first, second = (client.create_secret(name, "github.webhook", **arguments) for _ in range(2))
    assert first.secret.etag == second.secret.etag
    assert first.secret.labels == {"team": "chat"}
    assert first.revealed_key == ""


# Errors


def test_an_error_has_code_and_reason(client: Any) -> None:
    with refused(CODE.NOT_FOUND) as caught:
        client.sign("demo/no-such-secret", ADA)
    assert caught.value.reason == "SECRET_NOT_FOUND"
    assert "[SECRET_NOT_FOUND]" in str(caught.value)


def test_an_error_names_the_field_at_fault_and_nothing_of_the_request(client: Any) -> None:
    with refused(CODE.INVALID_ARGUMENT) as caught:
        client.sign(CHATWOOT, Identity(id="bad\x00thing"))
    assert caught.value.reason == "FIELD_INVALID"
    assert [violation.field for violation in caught.value.violations] == ["identity.id"]
    assert caught.value.violations[0].description in str(caught.value)
    assert "thing" not in repr(caught.value) + str(caught.value)


def test_what_the_wire_cannot_carry_is_an_error_that_names_the_field(client: Any) -> None:
    for call, field in (
        (lambda: client.sign(CHATWOOT, Identity(id="\ud800")), "id"),
        (lambda: client.sign(CHATWOOT, Identity(id=42)), "id"),
        (lambda: client.sign(CHATWOOT, Identity(attributes={"n": 2**53 + 1})), "attributes.n"),
        (lambda: client.sign(CHATWOOT, Identity(attributes={"n": [1, {"x": float("nan")}]})), "attributes.n[1].x"),
        (lambda: client.sign(CHATWOOT, Identity(attributes={"n": object()})), "attributes.n"),
        (lambda: client.sign(CHATWOOT, ADA, ttl=5), "ttl"),
        (lambda: client.verify_webhook(STRIPE, {}, b"", url="\udcff"), "url"),
        (lambda: client.verify_webhook(None, {}, b"", url=7), "url"),
        (lambda: client.verify_webhook(STRIPE, 7, b""), "headers"),
        (lambda: client.verify_webhook(STRIPE, {"a": 7}, b""), "headers"),
    ):
        with refused(CODE.INVALID_ARGUMENT) as caught:
            call()
        assert caught.value.violations[0].field == field


def test_an_outage_is_an_error(connect: Connect) -> None:
    client = connect("http://127.0.0.1:1")
    with refused(CODE.UNAVAILABLE):
        client.verify_webhook(STRIPE, {}, b"")


def test_explain_says_what_to_change(client: Any) -> None:
    headers = signed_headers(client, STRIPE, b'{"a":1}')
    explained = client.explain(webhook_request(STRIPE, headers, b'{ "a": 1 }'))
    assert (explained.decision, explained.reason) == (Decision.DENY, Reason.SIGNATURE_MISMATCH)
    assert CheckOutcome.FAIL in [check.outcome for check in explained.checks]
    assert explained.causes[0].code is CauseCode.BODY_RESERIALISED
    assert explained.causes[0].fix
    hashed = client.sign(CHATWOOT, ADA).hash
    assert client.explain(identity_request(CHATWOOT, ADA, hash=hashed)).causes == []


# Deadline, cancellation, retries


def test_a_deadline_ends_a_call_and_is_told_to_the_server(connect: Connect) -> None:
    begin = time.monotonic()
    with refused(CODE.DEADLINE_EXCEEDED):
        connect(setting("TESTBED_SILENT_SERVER"), deadline=0.3).verify_webhook(STRIPE, {}, b"")
    assert 0.2 < time.monotonic() - begin < 4
    with recorder(pb.VerifyResponse()) as seen:
        for settings in ({}, {"deadline": 60}):
            with refused(CODE.INTERNAL):
                connect(seen.url, **settings).verify(CHATWOOT)
        stub = (CountersignServiceStub, "Verify", pb.VerifyRequest())
        connect(seen.url).unary(*stub)
        connect(seen.url).unary(*stub, timeout=30)
    for told, meant in zip(seen.remaining_secs, [5, 60, 5, 30], strict=True):
        assert meant - 3 < told < meant + 1


def test_retries_do_not_outlast_the_deadline(connect: Connect) -> None:
    with recorder(CODE.UNAVAILABLE) as seen:
        begin = time.monotonic()
        with refused(CODE.DEADLINE_EXCEEDED):
            connect(seen.url, deadline=0.05).verify(CHATWOOT)
    assert time.monotonic() - begin < 4
    assert len(seen.requests) <= 1


def test_a_call_is_tried_three_times_under_one_id(connect: Connect) -> None:
    allow = pb.VerifyWebhookResponse(decision=pb.DECISION_ALLOW)
    with recorder(CODE.UNAVAILABLE, CODE.UNAVAILABLE, allow) as seen:
        client = connect(seen.url)
        assert client.verify_webhook("a/b", {}, b"x" * (2 << 20)).verified
        assert client.verify_webhook("a/b", {}, b"").verified
    ids = [metadata["countersign-call-id"] for metadata in seen.metadata]
    assert len(ids) == 4
    assert len(set(ids[:3])) == 1
    assert ids[3] != ids[0]
    assert len(ids[0]) >= 16


@pytest.mark.parametrize(("code", "attempts"), [(CODE.UNAVAILABLE, 3), (CODE.INTERNAL, 1), (CODE.ABORTED, 1)])
def test_only_an_outage_is_tried_again(connect: Connect, code: grpc.StatusCode, attempts: int) -> None:
    with recorder(code) as seen, refused(code):
        connect(seen.url).sign(CHATWOOT, ADA)
    assert len(seen.requests) == attempts


def test_explain_is_not_tried_again(connect: Connect) -> None:
    with recorder(CODE.UNAVAILABLE) as seen, refused(CODE.UNAVAILABLE):
        connect(seen.url).explain(identity_request(CHATWOOT))
    assert len(seen.requests) == 1


def test_a_flaky_server_is_not_noticed(connect: Connect) -> None:
    client = connect(setting("TESTBED_FLAKY_SERVER"))
    body = secrets.token_bytes(1 << 20)
    assert client.verify_webhook(GITHUB, signed_headers(client, GITHUB, body), body).verified
    assert client.verify(CHATWOOT, ADA, hash=client.sign(CHATWOOT, ADA).hash).verified
    name = new_name()
    client.create_secret(name, "chatwoot.identity", mode=secret_pb2.MODE_REQUIRED)
    assert client.rotate_secret(name).version == 2
    got = client.unary(SecretServiceStub, "GetSecret", secret_pb2.GetSecretRequest(name=name))
    assert len(got.secret.versions) == 2
    listed = client.unary(SecretServiceStub, "ListSecrets", secret_pb2.ListSecretsRequest(namespace="demo"))
    assert name in [secret.name for secret in listed.secrets]


# TLS and credentials


def test_a_token_goes_over_tls(connect: Connect) -> None:
    client = connect(
        setting("TESTBED_TLS_SERVER"), token=text_of("TESTBED_TOKEN_FILE"), ca_certificate=text_of("TESTBED_CA")
    )
    assert client.verify(CHATWOOT, ADA, hash=client.sign(CHATWOOT, ADA).hash).verified
    got = client.unary(SecretServiceStub, "GetSecret", secret_pb2.GetSecretRequest(name=CHATWOOT))
    assert got.secret.name == CHATWOOT


def test_a_client_certificate_stands_for_a_token(connect: Connect) -> None:
    client = connect(
        setting("TESTBED_TLS_SERVER"),
        ca_certificate=text_of("TESTBED_CA").encode(),
        client_certificate=text_of("TESTBED_CLIENT_CERT"),
        client_key=text_of("TESTBED_CLIENT_KEY"),
    )
    assert client.sign(CHATWOOT, ADA).hash


def test_a_caller_without_rights_is_refused(connect: Connect) -> None:
    tls = {"ca_certificate": text_of("TESTBED_CA")}
    with refused(CODE.UNAUTHENTICATED) as caught:
        connect(setting("TESTBED_TLS_SERVER"), **tls).sign(CHATWOOT, ADA)
    assert caught.value.reason == "UNAUTHENTICATED"
    reader = connect(setting("TESTBED_TLS_SERVER"), token=text_of("TESTBED_READER_TOKEN_FILE"), **tls)
    assert reader.verify(CHATWOOT, ADA, hash="0" * 64).reason is Reason.SIGNATURE_MISMATCH
    with pytest.raises(CountersignError) as denied:
        reader.sign(CHATWOOT, ADA)
    assert denied.value.code in (CODE.PERMISSION_DENIED, CODE.NOT_FOUND)


def test_a_server_of_another_authority_is_no_server(connect: Connect) -> None:
    with refused(CODE.UNAVAILABLE):
        connect(setting("TESTBED_TLS_SERVER"), token="secret-token").sign(CHATWOOT, ADA)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"server": "http://countersign.internal:50051", "token": "secret-token"}, "token"),
        ({"server": "http://10.0.0.1:50051", "token": "secret-token"}, "token"),
        ({"server": "http://127.0.0.1.example.com", "token": "secret-token"}, "token"),
        ({"server": "http://0.0.0.0:1", "token": "secret-token"}, "token"),
        ({"token": "secret-token\n"}, "token"),
        ({"token": "secret-tökén"}, "token"),
        ({"token": "secret token"}, "token"),
        ({"token": ""}, "token"),
        ({"server": "127.0.0.1:50051"}, "server"),
        ({"server": "ftp://localhost"}, "server"),
        ({"server": "http://"}, "server"),
        ({"server": "http://me:secret-token@localhost"}, "server"),
        ({"server": "http://localhost/secret-token"}, "server"),
        ({"server": "http://localhost:99999"}, "server"),
        ({"server": "http://[::1"}, "server"),
        ({"server": "unix:/tmp/x"}, "server"),
        ({"server": 7}, "server"),
        ({"token": b"secret-token"}, "token"),
        ({"deadline": 0}, "deadline"),
        ({"deadline": "5"}, "deadline"),
        ({"deadline": float("inf")}, "deadline"),
        ({"server": "http://localhost", "ca_certificate": "-----BEGIN CERTIFICATE-----"}, "ca_certificate"),
        ({"server": "https://localhost", "ca_certificate": "/etc/ca.pem"}, "ca_certificate"),
        ({"server": "https://localhost", "ca_certificate": 7}, "ca_certificate"),
        ({"server": "https://localhost", "client_key": "-----BEGIN PRIVATE KEY-----"}, "client_certificate"),
        (
            {"server": "https://localhost", "client_certificate": "x", "client_key": "secret-token"},
            "client_certificate",
        ),
    ],
)
def test_settings_that_cannot_be_used_are_refused_at_once(connect: Connect, settings: Any, field: str) -> None:
    with refused(CODE.INVALID_ARGUMENT) as caught:
        connect(**settings)
    assert caught.value.violations[0].field == field
    assert "secret" not in str(caught.value).replace("secrets", "")


@pytest.mark.parametrize(
    "server", ["http://127.0.0.1:1", "http://LOCALHOST:1", "http://[::1]:1", "https://example.com"]
)
def test_a_token_may_go_to_this_machine_and_over_tls(connect: Connect, server: str) -> None:
    assert server.lower().removesuffix(":1") in repr(connect(server, token="t"))


def test_a_token_shows_nowhere(
    connect: Connect, server: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    with recorder(CODE.UNAUTHENTICATED) as seen:
        monkeypatch.setenv("COUNTERSIGN_TOKEN", "correct-horse")
        monkeypatch.setenv("COUNTERSIGN_SERVER", seen.url)
        client = connect()
        with refused(CODE.UNAUTHENTICATED) as caught:
            client.sign(CHATWOOT, ADA)
    assert seen.metadata[0]["authorization"] == "Bearer correct-horse"
    settings = repr(vars(client)) + repr(getattr(client, "_client", client)._connection.settings)
    shown = [repr(client), str(client), settings, str(caught.value), repr(caught.value), caplog.text]
    assert "horse" not in "".join(shown)


def test_without_arguments_the_environment_holds(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_SERVER", "https://from.environment")
    assert "https://from.environment:443" in repr(connect())
    assert "http://localhost:80" in repr(connect("http://localhost"))
    monkeypatch.setenv("COUNTERSIGN_SERVER", "http://from.environment")
    monkeypatch.setenv("COUNTERSIGN_TOKEN", "")
    connect()
    monkeypatch.setenv("COUNTERSIGN_TOKEN", "secret-token")
    with refused(CODE.INVALID_ARGUMENT):
        connect()
    monkeypatch.delenv("COUNTERSIGN_SERVER")
    assert "http://127.0.0.1:50051" in repr(connect())


def test_proofs_and_keys_show_in_no_repr(client: Any) -> None:
    name = new_name()
    created = client.create_secret(name, "chatwoot.identity", mode=secret_pb2.MODE_REQUIRED)
    assert created.revealed_key not in repr(created)
    signed = client.sign(name, ADA)
    assert signed.hash not in repr(signed)
    headers = client.sign(STRIPE, webhook=pb.WebhookToSign(body=BODY))
    assert headers.headers[0][1] not in repr(headers)


def test_a_proxy_of_the_environment_does_not_see_what_goes_in_the_clear(
    connect: Connect, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert connect(server.replace("127.0.0.1", "localhost"), token="t").sign(CHATWOOT, ADA).hash


# Answers that are not understood

VERIFIED = {
    "decision": pb.DECISION_ALLOW,
    "trust": pb.TRUST_VERIFIED,
    "shield": pb.SHIELD_SET,
    "verified": pb.Identity(id="u"),
}
DENIED = {"decision": pb.DECISION_DENY, "trust": pb.TRUST_UNVERIFIED, "shield": pb.SHIELD_CLEAR}
ACTIVE = pb.VersionUse(number=1, state=pb.VERSION_STATE_ACTIVE)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {**VERIFIED, "decision": 77},
        {**VERIFIED, "decision": 0},
        {**VERIFIED, "trust": 77},
        {**VERIFIED, "trust": 0},
        {**VERIFIED, "shield": 77},
        {**VERIFIED, "verified": None},
        {**DENIED, "verified": pb.Identity(id="u")},
        {**VERIFIED, "decision": pb.DECISION_DENY},
        {**VERIFIED, "version": pb.VersionUse(number=1, state=77)},
    ],
)
def test_an_answer_about_an_identity_that_is_not_understood_is_an_error(connect: Connect, answer: Any) -> None:
    with recorder(pb.VerifyResponse(**answer)) as seen, refused(CODE.INTERNAL):
        connect(seen.url).verify(CHATWOOT, ADA)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"decision": 77},
        {"decision": pb.DECISION_ALLOW, "proven": [99]},
        {"decision": pb.DECISION_ALLOW, "proven": [0]},
        {"decision": pb.DECISION_ALLOW, "replay": 99},
        {"decision": pb.DECISION_ALLOW, "version": pb.VersionUse(number=1)},
        {"decision": pb.DECISION_ALLOW, "signed_time": {"seconds": 1 << 60}},
        {"decision": pb.DECISION_ALLOW, "age": {"seconds": 1 << 60}},
        {"decision": pb.DECISION_ALLOW, "handshake": pb.Handshake(name="x")},
        {"decision": pb.DECISION_ALLOW, "handshake": {"status": 200, "headers": [{"name": "a", "value": "b\r\nc"}]}},
    ],
)
def test_an_answer_about_a_delivery_that_is_not_understood_is_an_error(connect: Connect, answer: Any) -> None:
    with recorder(pb.VerifyWebhookResponse(**answer)) as seen, refused(CODE.INTERNAL):
        connect(seen.url).verify_webhook(STRIPE, {}, b"")


@pytest.mark.parametrize(
    "answer", [{}, {"hash": "a"}, {"version": ACTIVE}, {"hash": "a", "token": "b", "version": ACTIVE}]
)
def test_an_answer_without_just_one_proof_is_an_error(connect: Connect, answer: Any) -> None:
    with recorder(pb.SignResponse(**answer)) as seen, refused(CODE.INTERNAL):
        connect(seen.url).sign(CHATWOOT, ADA)


def test_a_refusal_for_an_unknown_reason_is_a_refusal(connect: Connect) -> None:
    with recorder(pb.VerifyResponse(**DENIED, reason=77)) as seen:
        verdict = connect(seen.url).verify(CHATWOOT, ADA)
    assert (verdict.allowed, verdict.reason) == (False, Reason.UNRECOGNIZED)
    with recorder(pb.VerifyWebhookResponse(decision=pb.DECISION_DENY, reason=77)) as seen:
        delivery = connect(seen.url).verify_webhook(STRIPE, {}, b"")
    assert (delivery.verified, delivery.reason) == (False, Reason.UNRECOGNIZED)


def test_an_age_before_zero_lies_in_the_future(connect: Connect) -> None:
    answer = pb.VerifyWebhookResponse(decision=pb.DECISION_ALLOW, age={"seconds": -3})  # type: ignore[arg-type]
    with recorder(answer) as seen:
        assert connect(seen.url).verify_webhook(STRIPE, {}, b"").age == timedelta(seconds=-3)
