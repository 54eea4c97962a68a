"""What the answers about an identity must look like under MODE_REQUIRED."""

from countersign.v1 import countersign_pb2 as pb


def assert_identity_verified(answer: pb.VerifyResponse) -> None:
    assert pb.Reason.Name(answer.reason) == "REASON_UNSPECIFIED"
    assert answer.decision == pb.DECISION_ALLOW
    assert answer.trust == pb.TRUST_VERIFIED
    assert answer.shield == pb.SHIELD_SET
    assert answer.version.number == 1


def assert_identity_refused(answer: pb.VerifyResponse, reason: int) -> None:
    assert pb.Reason.Name(answer.reason) == pb.Reason.Name(reason)
    assert answer.decision == pb.DECISION_DENY
    assert answer.trust == pb.TRUST_UNVERIFIED
    assert answer.shield == pb.SHIELD_CLEAR
    assert answer.verified == pb.Identity()
    assert not answer.HasField("version")
