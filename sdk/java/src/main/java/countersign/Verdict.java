package countersign;

import countersign.v1.Decision;
import countersign.v1.Reason;
import countersign.v1.Shield;
import countersign.v1.Trust;
import countersign.v1.VerifyResponse;
import java.time.Instant;

/**
 * The verdict on an identity.
 *
 * @param decision go on or refuse, under the mode of the secret
 * @param trust how far the identity may be trusted
 * @param shield what to do with an earlier verified flag
 * @param reason why the proof was not accepted; null when it was, or when nothing was checked
 * @param verified just the fields that the proof covers; null unless verified
 * @param claimed what was claimed and not proven, or null
 * @param version the version that verified, or null
 * @param proofExpireTime when the proof itself ends, or null
 */
public record Verdict(
        Decision decision,
        Trust trust,
        Shield shield,
        Reason reason,
        Identity verified,
        Identity claimed,
        VersionUse version,
        Instant proofExpireTime) {

    /** Whether the identity was proven. An allowed request need not be. */
    public boolean isVerified() {
        return isAllowed() && trust == Trust.TRUST_VERIFIED && verified != null;
    }

    /** Whether the mode of the secret lets the request go on, proven or not. */
    public boolean isAllowed() {
        return decision == Decision.DECISION_ALLOW;
    }

    /**
     * Reads an answer, such as one of a batch.
     *
     * @throws CountersignException with INTERNAL if it decides nothing that this client understands
     */
    public static Verdict of(VerifyResponse wire) {
        var trust = Wire.known(wire.getTrust(), "trust");
        if (trust == Trust.TRUST_VERIFIED && !wire.hasVerified()) {
            throw CountersignException.unusable("verified identity");
        }
        return new Verdict(
                Wire.known(wire.getDecision(), "decision"),
                trust,
                Wire.known(wire.getShield(), "shield"),
                wire.getReason() == Reason.REASON_UNSPECIFIED ? null : wire.getReason(),
                wire.hasVerified() ? Identity.of(wire.getVerified()) : null,
                wire.hasClaimed() ? Identity.of(wire.getClaimed()) : null,
                wire.hasVersion() ? VersionUse.of(wire.getVersion()) : null,
                wire.hasProofExpireTime() ? Wire.instant(wire.getProofExpireTime(), "expiry") : null);
    }
}
