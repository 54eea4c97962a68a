package countersign;

import com.google.protobuf.ByteString;
import countersign.v1.SignResponse;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/**
 * A proof. One of hash, token, headers and resourceId is set, by the purpose of the secret; the others are null,
 * headers empty. A proof vouches for somebody, so none of it shows in the text form.
 *
 * @param hash of an identity hash secret, in the scheme's encoding
 * @param token of an identity token secret: a compact JWS
 * @param headers of a webhook secret: what to send beside the body
 * @param resourceId of a resource id secret: the unguessable id
 * @param version the version that signed
 * @param expireTime when the proof stops being accepted by age, or null
 * @param body of a webhook whose signature stands in the body: the body to send; else null
 * @param url of a webhook whose signature stands in the URL: the URL to send it to; else null
 */
public record Signed(
        String hash,
        String token,
        List<Map.Entry<String, String>> headers,
        String resourceId,
        VersionUse version,
        Instant expireTime,
        ByteString body,
        String url) {

    /** The hash or the token: what the page of the user needs. Null for anything else. */
    public String proof() {
        return hash == null ? token : hash;
    }

    static Signed of(SignResponse wire) {
        var signed = new Signed(
                Wire.emptyAsNull(wire.getHash()),
                Wire.emptyAsNull(wire.getToken()),
                Wire.headers(wire.getHeadersList()),
                Wire.emptyAsNull(wire.getResourceId()),
                VersionUse.of(wire.getVersion()),
                wire.hasExpireTime() ? Wire.instant(wire.getExpireTime(), "expiry") : null,
                wire.hasBody() ? wire.getBody() : null,
                Wire.emptyAsNull(wire.getUrl()));
        if (signed.isEmpty()) {
            throw CountersignException.unusable("proof");
        }
        return signed;
    }

    private boolean isEmpty() {
        return proof() == null && resourceId == null && headers.isEmpty() && body == null && url == null;
    }

    @Override
    public String toString() {
        return "Signed[version=" + version + ", expireTime=" + expireTime + "]";
    }
}
