"""Countersign signs and verifies chat identities and webhooks and keeps their secrets. This is its Python client.

verdict = Countersign().verify_webhook("acme/stripe", request.headers, raw_body)
if not verdict.verified: ...  # answer 401; verdict.reason says why, for your log
"""

from countersign.calls import identity_request, webhook_request
from countersign.client import AsyncCountersign, Countersign
from countersign.enums import (
    CauseCode,
    CheckOutcome,
    Decision,
    ProvenPart,
    Reason,
    Replay,
    Shield,
    Trust,
    VersionState,
)
from countersign.errors import CountersignError, Violation
from countersign.identity import Identity
from countersign.verdict import (
    Cause,
    Explanation,
    Handshake,
    NewVersion,
    Signed,
    Step,
    Verdict,
    VersionUse,
    WebhookVerdict,
)
from countersign.widget import widget_fields

__version__ = "0.1.0"

__all__ = [
    "AsyncCountersign",
    "Cause",
    "CauseCode",
    "CheckOutcome",
    "Countersign",
    "CountersignError",
    "Decision",
    "Explanation",
    "Handshake",
    "Identity",
    "NewVersion",
    "ProvenPart",
    "Reason",
    "Replay",
    "Shield",
    "Signed",
    "Step",
    "Trust",
    "Verdict",
    "VersionState",
    "VersionUse",
    "Violation",
    "WebhookVerdict",
    "identity_request",
    "webhook_request",
    "widget_fields",
]
