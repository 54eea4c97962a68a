package countersign;

import countersign.v1.Decision;
import countersign.v1.ProvenPart;
import countersign.v1.Reason;
import countersign.v1.Replay;
import countersign.v1.VerifyWebhookResponse;
import java.time.Duration;
import java.time.Instant;
import java.util.List;

/**
 * The verdict on a webhook delivery.
 *
 * @param decision process the delivery or refuse it
 * @param reason why it was refused, or null; {@link Reason#UNRECOGNIZED} for a reason that a newer service gave
 * @param signedTime when the delivery says that it was signed, if the signature covers it; else null
 * @param age how old it is, negative when the sender's clock is ahead; null without a signedTime
 * @param deliveryId the vendor's id of the delivery, or null; proven says whether the signature covers it
 * @param proven what the signature really covers; nothing else of the request is proven
 * @param provenFields single fields that it covers besides, such as {@code query:data.id}
 * @param replay whether this delivery was seen before, or null
 * @param version the version that verified; null on a refusal
 * @param handshake the response to send, if this is the vendor's question whether the endpoint is yours; else null
 */
public record WebhookVerdict(
        Decision decision,
        Reason reason,
        Instant signedTime,
        Duration age,
        String deliveryId,
        List<ProvenPart> proven,
        List<String> provenFields,
        Replay replay,
        VersionUse version,
        Handshake handshake) {

    /** Whether the delivery is genuine and may be processed. */
    public boolean isVerified() {
        return decision == Decision.DECISION_ALLOW;
    }

    /** Whether it is a genuine event: verified, and no handshake. */
    public boolean isEvent() {
        return isVerified() && handshake == null;
    }

    /** The reason as a text such as {@code SIGNATURE_MISMATCH}, or null. */
    public String reasonCode() {
        return reason == null ? null : reason.name().replaceFirst("^REASON_", "");
    }

    /**
     * Reads an answer, such as one of a batch.
     *
     * @throws CountersignException with INTERNAL if it decides nothing that this client understands
     */
    public static WebhookVerdict of(VerifyWebhookResponse wire) {
        var age = wire.getAge();
        return new WebhookVerdict(
                Wire.known(wire.getDecision(), "decision"),
                wire.getReason() == Reason.REASON_UNSPECIFIED ? null : wire.getReason(),
                wire.hasSignedTime() ? Wire.instant(wire.getSignedTime(), "time") : null,
                wire.hasAge() ? Duration.ofSeconds(age.getSeconds(), age.getNanos()) : null,
                Wire.emptyAsNull(wire.getDeliveryId()),
                wire.getProvenList().stream()
                        .map(part -> Wire.known(part, "proven part"))
                        .toList(),
                List.copyOf(wire.getProvenFieldsList()),
                Wire.knownOrNull(wire.getReplay(), "replay"),
                wire.hasVersion() ? VersionUse.of(wire.getVersion()) : null,
                wire.hasHandshake() ? Handshake.of(wire.getHandshake()) : null);
    }
}
