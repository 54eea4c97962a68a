package countersign;

import countersign.v1.CreateSecretRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;

/** The servers that the tests run against, as the testbed's environment names them. */
public final class Testbed {
    private Testbed() {}

    public static Countersign open() {
        return Countersign.connect();
    }

    /** Of the server with TLS and authentication, without credentials. */
    public static Builder tls() {
        return Countersign.builder().server(variable("TESTBED_TLS_SERVER")).caCertificate(file("TESTBED_CA"));
    }

    public static String text(String variable) {
        return new String(file(variable), StandardCharsets.UTF_8).strip();
    }

    public static byte[] file(String variable) {
        try {
            return Files.readAllBytes(Path.of(variable(variable)));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    public static String variable(String name) {
        var value = System.getenv(name);
        if (value == null) {
            throw new IllegalStateException(name + " is not set: these tests run under the testbed, see check");
        }
        return value;
    }

    /** A new secret, with the key that its vendor would have. */
    public static NewVersion secret(Countersign countersign, String scheme) {
        return countersign.createSecret(CreateSecretRequest.newBuilder()
                .setName("demo/java-" + UUID.randomUUID())
                .setScheme(scheme)
                .build());
    }
}
