package countersign;

import countersign.v1.VersionState;
import java.time.Instant;

/**
 * Which version of a secret was used.
 *
 * @param number from 1
 * @param state when it was used
 * @param graceEndTime when it stops verifying; null unless it is in grace
 */
public record VersionUse(int number, VersionState state, Instant graceEndTime) {
    static VersionUse of(countersign.v1.VersionUse wire) {
        return new VersionUse(
                wire.getNumber(),
                Wire.known(wire.getState(), "version state"),
                wire.hasGraceEndTime() ? Wire.instant(wire.getGraceEndTime(), "grace end") : null);
    }
}
