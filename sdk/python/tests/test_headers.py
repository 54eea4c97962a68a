"""What becomes of a delivery's headers, in every shape that a framework hands over."""

import email.message
from typing import Any

import django.http
import httpx
import pytest
import starlette.datastructures
import werkzeug.datastructures

from countersign.headers import MAX_BYTES, MAX_HEADERS, wire_headers

TWICE = [("X-A", "1"), ("X-A", "2"), ("X-B", "grün")]


def pairs(headers: Any, **settings: Any) -> list[tuple[str, str]]:
    return [(header.name, header.value) for header in wire_headers(headers, **settings)]


def message() -> email.message.Message:
    built = email.message.Message()
    for name, value in TWICE:
        built[name] = value
    return built


@pytest.mark.parametrize(
    "headers",
    [
        TWICE,
        iter(TWICE),
        {"X-A": ["1", "2"], "X-B": "grün"},
        {"X-A": ("1", b"2"), "X-B": ["grün"]},
        [(name.encode(), value.encode()) for name, value in TWICE],
        [(bytearray(name.encode()), memoryview(value.encode())) for name, value in TWICE],
        # What Latin-1 makes of UTF-8, as frameworks hand it over.
        [(name, value.encode().decode("latin-1")) for name, value in TWICE],
        starlette.datastructures.Headers(raw=[(name.lower().encode(), value.encode()) for name, value in TWICE]),
        httpx.Headers([(name.encode(), value.encode()) for name, value in TWICE]),
        werkzeug.datastructures.Headers(TWICE),
        message(),
    ],
    ids=lambda shape: type(shape).__name__,
)
def test_any_shape_keeps_repeats_in_order(headers: Any) -> None:
    assert pairs(headers) == [("x-a", "1"), ("x-a", "2"), ("x-b", "grün")]


def test_the_headers_of_an_environ_are_read_too() -> None:
    environ = {"HTTP_X_A": "1", "HTTP_X_B": "grün".encode().decode("latin-1"), "CONTENT_TYPE": "text/plain"}
    expected = {("x-a", "1"), ("x-b", "grün"), ("content-type", "text/plain")}
    assert set(pairs(werkzeug.datastructures.EnvironHeaders(environ))) == expected
    assert set(pairs(django.http.request.HttpHeaders(environ))) == expected


def test_values_are_not_trimmed() -> None:
    assert pairs([("x-a", " a  b "), ("x-b", "")]) == [("x-a", " a  b "), ("x-b", "")]


def test_credentials_and_values_that_are_not_text_stay_behind() -> None:
    left_out = [("Cookie", "s=1"), ("AUTHORIZATION", "Basic x"), (b"Proxy-Authorization", b"Basic x")]
    binary = [(b"x-binary", b"\xff\xfe"), ("X-Binary", "text"), ("x-surrogate", "\udcff"), (b"\xff", b"x")]
    assert pairs([*left_out, *binary, ("x-a", "1")]) == [("x-a", "1")]
    assert pairs(left_out, credential_headers={"Authorization"}) == [("authorization", "Basic x")]
    assert pairs(left_out, credential_headers="proxy-authorization") == [("proxy-authorization", "Basic x")]


@pytest.mark.parametrize(("others", "length"), [(100, 1), (20, 1000)])
def test_over_the_limits_the_headers_of_the_webhook_are_sent_and_no_part_of_a_name(others: int, length: int) -> None:
    headers = [(f"x-hop-{number}", "v" * length) for number in range(others) for _ in range(2)]
    headers += [("Stripe-Signature", "one"), ("Stripe-Signature", "two")]
    sent = pairs(headers)
    assert len(sent) <= MAX_HEADERS
    assert sum(len(name) + len(value) for name, value in sent) <= MAX_BYTES
    names = [name for name, _ in sent]
    assert all(names.count(name) == 2 for name in names)
    assert sent[:2] == [("stripe-signature", "one"), ("stripe-signature", "two")]
    assert len(sent) > 2, "what fits of the rest is sent too"


def test_sizes_are_those_of_bytes() -> None:
    assert pairs([("x-a", "ü" * (MAX_BYTES // 2 - 1))]) == []
    assert len(pairs([("x-a", "u" * (MAX_BYTES - 3))])) == 1


def test_a_header_of_the_webhook_is_never_left_out() -> None:
    assert len(pairs([("stripe-signature", "v1=0")] * (MAX_HEADERS + 1))) == MAX_HEADERS + 1
