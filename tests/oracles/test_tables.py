"""Every webhook scheme has a judge, and README.md says which, and how they differ."""

from countersign.v1 import scheme_pb2, secret_pb2

import table
from changes import changes_of
from webhooks import WEBHOOK_VENDORS


def test_every_webhook_scheme_has_a_row(client):
    schemes = client.list_schemes(scheme_pb2.ListSchemesRequest()).schemes
    built_in = {it.id for it in schemes if it.purpose == secret_pb2.PURPOSE_WEBHOOK and not it.custom}

    assert {vendor.scheme for vendor in WEBHOOK_VENDORS} == built_in


def test_every_verdict_of_a_row_is_about_one_of_its_changes():
    for vendor in WEBHOOK_VENDORS:
        assert vendor.verdicts.keys() <= {change.name for change in changes_of(vendor)}, vendor.name


def test_every_acceptance_has_a_reason():
    for vendor, change, verdicts in table.verdicts():
        assert verdicts.why or verdicts.service == verdicts.library == table.Share.NONE, f"{vendor.name}: {change}"


def test_the_readme_says_so():
    assert table.in_readme() == table.tables(), "run tests/oracles/run --write-readme"
