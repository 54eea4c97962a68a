"""What the vendors' own libraries sign is verified, and what Sign makes satisfies the libraries."""

import time
from dataclasses import dataclass

import pytest
from countersign.v1 import countersign_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp

import samples
from vendor import each, every_seed
from webhooks import WEBHOOK_VENDORS, Headers, WebhookVendor

# How far from the edge of a window the tests stay, for the time that a call takes.
MARGIN_SECS = 10

MISMATCH = pb.REASON_SIGNATURE_MISMATCH

every_vendor = each(WEBHOOK_VENDORS)
every_vendor_with_window = each(vendor for vendor in WEBHOOK_VENDORS if vendor.window_secs)
every_vendor_without_window = each(vendor for vendor in WEBHOOK_VENDORS if not vendor.window_secs)
every_vendor_that_signs_a_time = each(vendor for vendor in WEBHOOK_VENDORS if "TIMESTAMP" in vendor.proven)
every_vendor_that_signs_an_id = each(vendor for vendor in WEBHOOK_VENDORS if "ID" in vendor.proven)


@dataclass
class Delivery:
    """A delivery as it comes in, and what it was made of."""

    headers: Headers
    body: bytes
    at: int

    def lower_case(self) -> Headers:
        return {name.lower(): value for name, value in self.headers.items()}

    def with_changed(self, text: str, other: str) -> Headers:
        """The headers with one of their parts exchanged, the signature kept."""
        return {name: value.replace(text, other) for name, value in self.headers.items()}


def deliver(vendor: WebhookVendor, key: str, seed: int, age: int | None = None) -> Delivery:
    """The delivery of a seed, signed by the vendor's library, of a random age in the window unless one is given."""
    rng = vendor.rng(seed)
    body = samples.body(rng, seed, binary=vendor.binary, empty=vendor.empty)
    at = int(time.time()) - (rng.randint(-200, 200) if age is None else age)
    return Delivery(vendor.sign(key, body, at, rng), body, at)


def check(client, secret: str, headers: Headers, body: bytes, seed: int = 0) -> pb.VerifyWebhookResponse:
    """Asks the service, among other headers, in the letter case and the payload field that the seed says."""
    case = [str, str.lower, str.upper][seed % 3]
    received = {"Host": "hooks.example.com", "Content-Type": "application/json"} | headers
    request = pb.VerifyWebhookRequest(
        secret=secret, headers=[pb.Header(name=case(name), value=value) for name, value in received.items()]
    )
    if seed % 2:
        request.body = body
    else:
        set_body_text(request, body)
    return client.verify_webhook(request)


def set_body_text(request: pb.VerifyWebhookRequest, body: bytes) -> None:
    try:
        request.body_text = body.decode()
    except UnicodeDecodeError:
        request.body = body


def assert_refused(answer: pb.VerifyWebhookResponse, reason: int) -> None:
    assert pb.Reason.Name(answer.reason) == pb.Reason.Name(reason)
    assert answer.decision == pb.DECISION_DENY
    assert not answer.proven
    assert not answer.HasField("version")


def sign(client, secret: str, **delivery) -> Headers:
    """The headers that Sign answers, by lower-case name."""
    answer = client.sign(pb.SignRequest(secret=secret, webhook=pb.WebhookToSign(**delivery)))
    headers = {header.name.lower(): header.value for header in answer.headers}
    assert len(headers) == len(answer.headers)
    return headers


@every_vendor
@every_seed
def test_a_delivery_of_the_vendors_library_is_verified(client, secrets, vendor, seed):
    secret = secrets.of(vendor)
    delivery = deliver(vendor, secret.key, seed)

    answer = check(client, secret.name, delivery.headers, delivery.body, seed)

    assert pb.Reason.Name(answer.reason) == "REASON_UNSPECIFIED"
    assert answer.decision == pb.DECISION_ALLOW
    assert answer.version.number == 1
    assert {pb.ProvenPart.Name(part).removeprefix("PROVEN_PART_") for part in answer.proven} == vendor.proven
    assert answer.HasField("signed_time") == vendor.states_time
    if vendor.states_time:
        assert answer.signed_time.seconds == delivery.at
    assert answer.delivery_id == delivery.lower_case().get(vendor.id_header, "")


@every_vendor
@every_seed
def test_the_vendors_library_accepts_what_sign_makes(client, secrets, vendor, seed):
    secret = secrets.of(vendor)
    rng = vendor.rng(seed)
    body = samples.body(rng, seed, binary=vendor.binary, empty=vendor.empty)

    headers = sign(client, secret.name, body=body)

    assert vendor.accept(secret.key, headers, body)
    assert not vendor.accept(secret.key, headers, samples.flip_byte(rng, body))
    assert not vendor.accept(secrets.of(vendor, 2).key, headers, body)


@every_vendor
@every_seed
def test_sign_makes_the_very_values_that_the_vendors_library_makes(client, secrets, vendor, seed):
    secret = secrets.of(vendor)
    delivery = deliver(vendor, secret.key, seed)
    delivery_id = delivery.lower_case().get(vendor.id_header, "")

    # A scheme without a timestamp refuses one.
    time = {"timestamp": Timestamp(seconds=delivery.at)} if "TIMESTAMP" in vendor.proven else {}
    made = sign(client, secret.name, id=delivery_id, body=delivery.body, **time)

    assert set(made.values()) <= set(delivery.headers.values())


@every_vendor
@every_seed
def test_a_flipped_body_byte_is_a_signature_mismatch(client, secrets, vendor, seed):
    secret = secrets.of(vendor)
    delivery = deliver(vendor, secret.key, seed)
    flipped = samples.flip_byte(vendor.rng(f"flip-{seed}"), delivery.body)

    assert_refused(check(client, secret.name, delivery.headers, flipped, seed), MISMATCH)


@every_vendor
@every_seed
def test_another_secret_is_a_signature_mismatch(client, secrets, vendor, seed):
    delivery = deliver(vendor, secrets.of(vendor).key, seed)

    answer = check(client, secrets.of(vendor, 2).name, delivery.headers, delivery.body, seed)

    assert_refused(answer, MISMATCH)


@every_vendor_that_signs_a_time
@every_seed
def test_another_time_under_the_same_signature_is_a_signature_mismatch(client, secrets, vendor, seed):
    secret = secrets.of(vendor)
    delivery = deliver(vendor, secret.key, seed)

    headers = delivery.with_changed(str(delivery.at), str(delivery.at + 1))

    assert headers != delivery.headers
    assert_refused(check(client, secret.name, headers, delivery.body, seed), MISMATCH)


@every_vendor_that_signs_an_id
@every_seed
def test_another_id_under_the_same_signature_is_a_signature_mismatch(client, secrets, vendor, seed):
    secret = secrets.of(vendor)
    delivery = deliver(vendor, secret.key, seed)

    headers = delivery.with_changed("msg_", "msg-")

    assert headers != delivery.headers
    assert_refused(check(client, secret.name, headers, delivery.body, seed), MISMATCH)


@every_vendor_with_window
@every_seed
def test_an_old_delivery_is_too_old(client, secrets, vendor, seed):
    secret = secrets.of(vendor)
    delivery = deliver(vendor, secret.key, seed, age=vendor.window_secs + MARGIN_SECS)

    answer = check(client, secret.name, delivery.headers, delivery.body, seed)

    assert_refused(answer, pb.REASON_TIMESTAMP_TOO_OLD)
    assert vendor.accept(secret.key, delivery.lower_case(), delivery.body) is not vendor.library_refuses_old


@every_vendor_with_window
@every_seed
def test_an_early_delivery_is_in_the_future(client, secrets, vendor, seed):
    secret = secrets.of(vendor)
    delivery = deliver(vendor, secret.key, seed, age=-vendor.window_secs - MARGIN_SECS)

    answer = check(client, secret.name, delivery.headers, delivery.body, seed)

    assert_refused(answer, pb.REASON_TIMESTAMP_IN_FUTURE)
    assert vendor.accept(secret.key, delivery.lower_case(), delivery.body) is not vendor.library_refuses_early


@every_vendor_with_window
@pytest.mark.parametrize("side", [1, -1], ids=["old", "early"])
def test_a_delivery_just_inside_the_window_is_verified(client, secrets, vendor, side):
    secret = secrets.of(vendor)
    delivery = deliver(vendor, secret.key, 0, age=side * (vendor.window_secs - MARGIN_SECS))

    answer = check(client, secret.name, delivery.headers, delivery.body)

    assert answer.decision == pb.DECISION_ALLOW
    assert vendor.accept(secret.key, delivery.lower_case(), delivery.body)


@every_vendor_without_window
def test_without_a_window_a_delivery_of_last_year_is_verified(client, secrets, vendor):
    secret = secrets.of(vendor)
    delivery = deliver(vendor, secret.key, 1, age=365 * 24 * 3600)

    assert check(client, secret.name, delivery.headers, delivery.body).decision == pb.DECISION_ALLOW
