package countersign;

import countersign.v1.CreateSecretResponse;
import countersign.v1.RotateSecretResponse;
import countersign.v1.Secret;

/**
 * A secret with a version just made.
 *
 * @param secret after the change, without keys
 * @param version number of the new version
 * @param revealedKey the generated key as the vendor would show it, here and never again; null for an imported one. It
 *     does not show in the text form
 */
public record NewVersion(Secret secret, int version, String revealedKey) {
    static NewVersion of(RotateSecretResponse wire) {
        return new NewVersion(wire.getSecret(), wire.getVersion(), Wire.emptyAsNull(wire.getRevealedKey()));
    }

    static NewVersion of(CreateSecretResponse wire) {
        return new NewVersion(wire.getSecret(), wire.getVersion(), Wire.emptyAsNull(wire.getRevealedKey()));
    }

    @Override
    public String toString() {
        return "NewVersion[secret=" + secret.getName() + ", version=" + version + "]";
    }
}
