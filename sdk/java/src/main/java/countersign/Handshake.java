package countersign;

import com.google.protobuf.ByteString;
import java.util.List;
import java.util.Map;

/**
 * The HTTP response that a vendor's handshake wants.
 *
 * @param name which of the scheme's handshakes it is
 * @param status the HTTP status
 * @param headers in order
 * @param body may be empty
 */
public record Handshake(String name, int status, List<Map.Entry<String, String>> headers, ByteString body) {
    static Handshake of(countersign.v1.Handshake wire) {
        if (wire.getStatus() < 100 || wire.getStatus() > 599) {
            throw CountersignException.unusable("handshake status");
        }
        return new Handshake(wire.getName(), wire.getStatus(), Wire.headers(wire.getHeadersList()), wire.getBody());
    }
}
