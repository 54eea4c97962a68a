"""What a page gets for a vendor's widget."""

import json

import pytest

from countersign import Countersign, CountersignError, Identity, widget, widget_fields

ADA = Identity(id="user-42", email="ada@example.com", name="Ada")


def test_a_widget_gets_the_fields_of_its_vendor() -> None:
    signed = Countersign().sign("demo/intercom-identity", ADA)
    assert widget_fields("intercom.identity", ADA, signed) == {
        "user_id": "user-42",
        "email": "ada@example.com",
        "name": "Ada",
        "user_hash": signed.hash,
    }
    token = Countersign().sign("demo/talkjs-token", ADA)
    assert token.token in widget_fields("talkjs.token", ADA, token).values()


def test_a_field_that_would_be_empty_is_left_out() -> None:
    fields = widget_fields("intercom.identity", Identity(id="user-42"), "abc")
    assert fields == {"user_id": "user-42", "user_hash": "abc"}


def test_what_a_user_calls_themselves_is_not_filled_in_again() -> None:
    fields = widget_fields("intercom.identity", Identity(id="{hash}", name="\\1{token}"), "abc")
    assert fields == {"user_id": "{hash}", "name": "\\1{token}", "user_hash": "abc"}


def test_values_may_be_nested_and_a_list_is_whole_or_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {
        "me": {"id": "u_{id}", "mail": "{email}"},
        "none": {"name": "{name}", "deep": {"list": ["{name}"]}},
        "whole": ["{id}", "{hash}"],
        "left out": ["{hash}", "{name}"],
    }
    monkeypatch.setattr(widget, "_widgets", lambda: {"a.b": {"fields": fields, "source": ""}})
    assert widget_fields("a.b", Identity(id="7"), "abc") == {"me": {"id": "u_7"}, "whole": ["7", "abc"]}


def test_a_proof_that_the_widget_does_not_take_is_an_error() -> None:
    signed = Countersign().sign("demo/intercom-identity", ADA)
    for scheme, proof in (("intercom.identity", ""), ("talkjs.token", signed)):
        with pytest.raises(CountersignError, match="proof"):
            widget_fields(scheme, ADA, proof)


def test_every_known_widget_carries_the_proof() -> None:
    for scheme in widget._widgets():
        assert "abc" in json.dumps(widget_fields(scheme, ADA, "abc")), scheme


def test_an_unknown_scheme_is_an_error_that_names_those_known() -> None:
    with pytest.raises(CountersignError, match=r"intercom\.identity"):
        widget_fields("nobody.identity", ADA, "abc")
