"""What the vendors sign is verified, what Sign makes satisfies the vendors, and what is spoiled both refuse.

Each test runs over DELIVERIES random deliveries of one vendor. Where the two sides differ, and where they agree to
accept, the vendor's row says so and why; the test fails as soon as that is no longer true.
"""

import dataclasses
import json
import time
from collections.abc import Iterator

import pytest
from countersign.v1 import countersign_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp

import node
from changes import MARGIN_SECS, YEAR_SECS, changes_of
from delivery import Delivery, Draft
from service import Secret
from vendor import each
from webhook_vendor import Change, Share, WebhookVendor
from webhooks import WEBHOOK_VENDORS

DELIVERIES = 1000
# Where each says the same once more: of values that Sign makes exactly, and of changes that a formula judges.
FEWER = 200

# As many as are surely checked before the narrowest window ends, 5 s, and small enough for one BatchVerify.
BATCH = 100
BATCH_BYTES = 500_000

every_vendor = each(WEBHOOK_VENDORS)
every_vendor_with_an_exact_signature = each(vendor for vendor in WEBHOOK_VENDORS if vendor.exact)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def batches(vendor: WebhookVendor, use: str, age_secs=lambda rng: 0, count: int = DELIVERIES) -> Iterator[list[Draft]]:
    """The drafts of one test, in batches that are drawn up when they are needed, because they are to be fresh."""
    rng = vendor.rng(use)
    batch: list[Draft] = []
    size = 0
    for number in range(count):
        draft = vendor.draft(rng, number, now_ms() - age_secs(rng) * 1000)
        batch.append(draft)
        size += len(draft.body)
        if len(batch) == BATCH or size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def fresh(vendor: WebhookVendor):
    """Ages well inside the window of both sides."""
    oldest = min(secs for secs in (vendor.past_secs, vendor.library_past_secs, YEAR_SECS) if secs is not None)
    earliest = min(secs for secs in (vendor.future_secs, vendor.library_future_secs, YEAR_SECS) if secs is not None)
    return lambda rng: rng.randint(min(MARGIN_SECS - earliest, 0), max(oldest - MARGIN_SECS, 0))


def request(secret: Secret, number: int, delivery: Delivery) -> pb.VerifyWebhookRequest:
    """A request among other headers, in the letter case and the payload field that the number says."""
    case = [str, str.lower, str.upper][number % 3]
    headers = (("Host", "hooks.example.com"), ("User-Agent", "vendor/1.0"), *delivery.headers)
    request = pb.VerifyWebhookRequest(
        secret=secret.name,
        headers=[pb.Header(name=case(name), value=value) for name, value in headers],
        method=delivery.method,
        url=delivery.url,
    )
    if number % 2:
        request.body = delivery.body
    else:
        set_body_text(request, delivery.body)
    return request


def set_body_text(request: pb.VerifyWebhookRequest, body: bytes) -> None:
    try:
        request.body_text = body.decode()
    except UnicodeDecodeError:
        request.body = body


def verify(client, secret: Secret, deliveries: list[Delivery]) -> list[pb.VerifyWebhookResponse]:
    items = [pb.BatchVerifyItem(verify_webhook=request(secret, *numbered)) for numbered in enumerate(deliveries)]
    results = client.batch_verify(pb.BatchVerifyRequest(items=items)).results
    errors = {result.error.message for result in results if result.HasField("error")}
    assert not errors
    answers = [result.verify_webhook for result in results]
    for answer in answers:
        # A refusal says nothing about the delivery.
        assert answer.decision == pb.DECISION_ALLOW or not (answer.proven or answer.proven_fields)
        assert answer.HasField("version") == (answer.decision == pb.DECISION_ALLOW)
    return answers


def sign(client, secret: Secret, draft: Draft, **more) -> Delivery:
    """The delivery that Sign makes. A header that it writes itself, Mercado Pago's id, it does not take."""
    given = [(name, value) for name, value in draft.headers if name != "x-request-id"]
    webhook = pb.WebhookToSign(
        body=draft.body,
        headers=[pb.Header(name=name, value=value) for name, value in given],
        method=draft.method,
        url=draft.url,
        **more,
    )
    answer = client.sign(pb.SignRequest(secret=secret.name, webhook=webhook))
    own = tuple((header.name, header.value) for header in answer.headers)
    names = {name.lower() for name, _ in own}
    assert len(names) == len(own)
    return Delivery(
        headers=own + tuple(header for header in draft.headers if header[0].lower() not in names),
        body=answer.body if answer.HasField("body") else draft.body,
        method=draft.method,
        url=answer.url or draft.url,
    )


def names(parts: list[int]) -> set[str]:
    return {pb.ProvenPart.Name(part).removeprefix("PROVEN_PART_") for part in parts}


def reason_of(answer: pb.VerifyWebhookResponse) -> str:
    return pb.Reason.Name(answer.reason).removeprefix("REASON_")


def assert_verified(vendor: WebhookVendor, delivery: Delivery, draft: Draft, answer: pb.VerifyWebhookResponse) -> None:
    assert reason_of(answer) == "UNSPECIFIED"
    assert answer.decision == pb.DECISION_ALLOW
    assert answer.version.number == 1
    assert names(answer.proven) | set(answer.proven_fields) == vendor.proven | vendor.also_proven(delivery)
    assert answer.HasField("signed_time") == (vendor.stamp is not None and vendor.states_time)
    if answer.HasField("signed_time"):
        assert answer.signed_time.seconds == draft.at
    assert answer.delivery_id == delivery.id


@every_vendor
def test_what_the_vendor_signs_is_verified(client, secrets, vendor):
    secret = secrets.of(vendor)
    for drafts in batches(vendor, "vendor signs", fresh(vendor)):
        deliveries = vendor.sign(secret.key, drafts)

        answers = verify(client, secret, deliveries)

        assert vendor.accept(secret.key, deliveries) == [True] * len(drafts)
        for delivery, draft, answer in zip(deliveries, drafts, answers, strict=True):
            assert_verified(vendor, delivery, draft, answer)


@every_vendor
def test_the_vendor_accepts_what_sign_makes(client, secrets, vendor):
    secret = secrets.signing(vendor)
    by_service, by_library = [], []
    for drafts in batches(vendor, "service signs"):
        deliveries = [sign(client, secret, draft) for draft in drafts]
        by_service += [answer.decision == pb.DECISION_ALLOW for answer in verify(client, secret, deliveries)]
        by_library += vendor.accept(secret.key, deliveries)

    expected = vendor.made_by_sign
    assert dataclasses.replace(expected, service=Share.of(by_service), library=Share.of(by_library)) == expected


@every_vendor_with_an_exact_signature
def test_sign_makes_the_very_values_that_the_vendor_makes(client, secrets, vendor):
    secret = secrets.of(vendor)
    for drafts in batches(vendor, "exact", count=FEWER):
        for draft, delivery in zip(drafts, vendor.sign(secret.key, drafts), strict=True):
            at = {"timestamp": timestamp(draft.at_ms)} if delivery.stamp else {}
            made = sign(client, secret, draft, id=delivery.id, **at)

            assert set(made.joined().values()) <= set(delivery.joined().values())
            assert (made.body, made.url) == (delivery.body, delivery.url)


def timestamp(at_ms: int) -> Timestamp:
    return Timestamp(seconds=at_ms // 1000, nanos=at_ms % 1000 * 1_000_000)


def every_change() -> list:
    return [
        pytest.param(vendor, change, id=f"{vendor.name}-{change.name}")
        for vendor in WEBHOOK_VENDORS
        for change in changes_of(vendor)
    ]


@pytest.mark.parametrize("vendor, change", every_change())
def test_a_changed_delivery_is_refused_by_both_but_where_the_row_says_why_not(client, secrets, vendor, change):
    secret, judge = secrets.of(vendor), secrets.of(vendor, 2 if change.other_secret else 1)
    by_service, by_library, reasons = [], [], set()
    for deliveries in changed(vendor, change, secret.key):
        answers = verify(client, judge, deliveries)
        by_service += [answer.decision == pb.DECISION_ALLOW for answer in answers]
        by_library += vendor.accept(judge.key, deliveries)
        reasons |= {reason_of(answer) for answer in answers if answer.decision != pb.DECISION_ALLOW}

    # A change may leave a few deliveries as they are, such as one of padding that is not there.
    assert len(by_service) > deliveries_of(vendor) / 4
    expected = vendor.expected(change)
    seen = dataclasses.replace(expected, service=Share.of(by_service), library=Share.of(by_library))
    # A formula knows no window and no lenience: that it agrees on what is signed is all that it says.
    assert seen == (expected if vendor.library else dataclasses.replace(expected, library=seen.library))
    assert reasons <= change.reasons


def deliveries_of(vendor: WebhookVendor) -> int:
    return DELIVERIES if vendor.library else FEWER


def changed(vendor: WebhookVendor, change: Change, key: str) -> Iterator[list[Delivery]]:
    rng = vendor.rng(change.name)
    age = (lambda rng: change.age(vendor, rng)) if change.age else fresh(vendor)
    for drafts in batches(vendor, change.name, age, deliveries_of(vendor)):
        signed = (change.sign or vendor.sign)(key, [change.before(vendor, draft, rng) for draft in drafts])
        if change.after:
            pairs = [(delivery, change.after(vendor, delivery, rng)) for delivery in signed]
            yield [changed for delivery, changed in pairs if changed != delivery]
        else:
            yield signed


def test_zooms_question_gets_the_answer_of_zooms_library(client, secrets):
    vendor = next(vendor for vendor in WEBHOOK_VENDORS if vendor.name == "zoom")
    secret = secrets.of(vendor)
    for drafts in batches(vendor, "question"):
        questions = [with_question(draft) for draft in drafts]
        deliveries = vendor.sign(secret.key, questions)

        answers = verify(client, secret, deliveries)

        by_library = node.ask("respond", vendor.name, secret.key, deliveries)
        assert [json.loads(answer.handshake.body) for answer in answers] == [json.loads(body) for body in by_library]


def with_question(draft: Draft) -> Draft:
    question = {"event": "endpoint.url_validation", "payload": {"plainToken": draft.noise[:22]}}
    return dataclasses.replace(draft, body=json.dumps(question, separators=(",", ":")).encode())
