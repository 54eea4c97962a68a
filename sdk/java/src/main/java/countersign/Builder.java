package countersign;

import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.TlsChannelCredentials;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.Map;

/** Settings of a client. It shows none of them in its text form. */
public final class Builder {
    /** The largest answer: a page of secrets. */
    private static final int MAX_ANSWER_BYTES = 64 << 20;
    /** A call is retried only as long as its whole request is kept; bodies may have 1 MiB by default. */
    private static final long MAX_REQUEST_BYTES = 32 << 20;

    private String server;
    private String token;
    private Duration deadline = Duration.ofSeconds(5);
    private byte[] authority;
    private byte[] certificate;
    private byte[] key;

    Builder(Map<String, String> environment) {
        server = set(environment, "COUNTERSIGN_SERVER", "http://127.0.0.1:50051");
        token = set(environment, "COUNTERSIGN_TOKEN", null);
    }

    /** {@code http://HOST:PORT} or {@code https://HOST:PORT}. Unset: {@code COUNTERSIGN_SERVER}. */
    public Builder server(String url) {
        server = url;
        return this;
    }

    /** The bearer token sent with every call. Unset: {@code COUNTERSIGN_TOKEN}, or none. */
    public Builder token(String token) {
        this.token = token == null ? "" : token;
        return this;
    }

    /** How long a call may take in all, retries included. Unset: 5 seconds. */
    public Builder deadline(Duration deadline) {
        this.deadline = deadline;
        return this;
    }

    /** The certificate authority that the server's certificate must come from, as PEM, in place of the system's. */
    public Builder caCertificate(byte[] pem) {
        authority = pem.clone();
        return this;
    }

    /** A client certificate with its chain and its private key (PKCS #8), both as PEM. */
    public Builder clientCertificate(byte[] certificate, byte[] privateKey) {
        this.certificate = certificate.clone();
        key = privateKey.clone();
        return this;
    }

    /**
     * Makes the client. It connects at its first call.
     *
     * @throws CountersignException with INVALID_ARGUMENT if the settings cannot be used: no URL of a server, a token
     *     that would cross the network in the clear, certificates that are none
     */
    public Countersign build() {
        var url = parse(server);
        var secure = url.getScheme().equalsIgnoreCase("https");
        if (token != null) {
            checkToken(url.getHost(), secure);
        }
        if (deadline.isNegative() || deadline.isZero()) {
            throw CountersignException.invalid("deadline", "must be longer than nothing");
        }
        var credentials = credentials(secure);
        try {
            var connection = Grpc.newChannelBuilder(target(url, secure), credentials)
                    .defaultServiceConfig(Calls.SERVICE_CONFIG)
                    .enableRetry()
                    .perRpcBufferLimit(MAX_REQUEST_BYTES)
                    .retryBufferSize(4 * MAX_REQUEST_BYTES)
                    .maxInboundMessageSize(MAX_ANSWER_BYTES)
                    .userAgent("countersign-client-java")
                    .build();
            return new Countersign(connection, new Calls(token, deadline));
        } catch (RuntimeException error) {
            // gRPC reads the PEM texts no sooner, and calls it a missing provider if it cannot.
            throw authority == null && certificate == null ? error : unusableCertificate();
        }
    }

    private ChannelCredentials credentials(boolean secure) {
        if (!secure && (authority != null || certificate != null)) {
            throw CountersignException.invalid("server", "must be https:// where a certificate is given");
        }
        if (!secure) {
            return InsecureChannelCredentials.create();
        }
        var tls = TlsChannelCredentials.newBuilder();
        try {
            if (authority != null) {
                tls.trustManager(new ByteArrayInputStream(authority));
            }
            if (certificate != null) {
                tls.keyManager(new ByteArrayInputStream(certificate), new ByteArrayInputStream(key));
            }
            return tls.build();
        } catch (IOException error) {
            throw unusableCertificate();
        }
    }

    private static CountersignException unusableCertificate() {
        return CountersignException.invalid(
                "certificate", "or key cannot be used: give PEM texts, the private key as PKCS #8");
    }

    private static String target(URI url, boolean secure) {
        var port = url.getPort() >= 0 ? url.getPort() : secure ? 443 : 80;
        try {
            // It escapes the brackets of an IPv6 address.
            return new URI("dns", "", "/" + url.getHost() + ":" + port, null).toString();
        } catch (URISyntaxException error) {
            throw notAnAddress();
        }
    }

    private void checkToken(String host, boolean secure) {
        if (!secure && !isLoopback(host)) {
            throw CountersignException.invalid(
                    "token",
                    "is not sent over plain http to another machine: use https://, or connect to a loopback address");
        }
        if (token.isEmpty() || !token.chars().allMatch(c -> c > ' ' && c < 0x7f)) {
            throw CountersignException.invalid(
                    "token",
                    "is not visible ASCII text, without a line end: check the file or variable that it came from");
        }
    }

    private static URI parse(String text) {
        try {
            var url = URI.create(text);
            var scheme = String.valueOf(url.getScheme());
            var more = url.getUserInfo() != null || url.getRawQuery() != null || url.getRawFragment() != null;
            if (url.getHost() != null && !more && url.getRawPath().matches("/*") && scheme.matches("(?i)https?")) {
                return url;
            }
        } catch (IllegalArgumentException | NullPointerException error) {
            // Its message would repeat the text, which may hold a password.
        }
        throw notAnAddress();
    }

    private static CountersignException notAnAddress() {
        return CountersignException.invalid("server", "is no URL: give http://HOST:PORT or https://HOST:PORT");
    }

    /** Whether what is sent to this host stays on this machine. A name other than localhost is not looked up. */
    private static boolean isLoopback(String host) {
        if (!host.startsWith("[")) {
            return host.equalsIgnoreCase("localhost") || host.matches("127(\\.\\d{1,3}){3}");
        }
        try {
            return InetAddress.getByName(host).isLoopbackAddress();
        } catch (UnknownHostException error) {
            return false;
        }
    }

    private static String set(Map<String, String> environment, String name, String otherwise) {
        var value = environment.get(name);
        return value == null || value.isEmpty() ? otherwise : value;
    }
}
