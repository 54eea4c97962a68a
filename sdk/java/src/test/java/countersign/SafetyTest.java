package countersign;

import static countersign.CountersignTest.failure;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status.Code;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a token, a certificate and an address may be, and where none of it shows. */
class SafetyTest {
    private static final String STRIPE = "demo/stripe-webhook";
    private static final byte[] BODY = {1, (byte) 0xff};
    private static final String HORSE = "correct-horse-battery-staple";

    @ParameterizedTest
    @ValueSource(
            strings = {
                "http://countersign.internal:50051",
                "http://10.0.0.1:50051",
                "http://127.0.0.1.example.com",
                "http://[2001:db8::1]:50051",
                "HTTP://countersign.internal"
            })
    void aTokenStaysOffTheNetworkInTheClear(String server) {
        var error =
                failure(() -> Countersign.builder().server(server).token(HORSE).build());
        assertEquals(Code.INVALID_ARGUMENT, error.code());
        assertEquals("token", error.violations().get(0).field());
        assertFalse(error.toString().contains("horse"));
        assertDoesNotThrow(() -> Countersign.builder().server(server).build().close());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "http://127.0.0.1:50051",
                "http://LOCALHOST:50051",
                "http://[::1]:50051",
                "https://countersign.internal"
            })
    void aTokenMayGoToThisMachineAndOverTls(String server) {
        assertDoesNotThrow(
                () -> Countersign.builder().server(server).token(HORSE).build().close());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "127.0.0.1:50051",
                "ftp://localhost",
                "/path",
                "",
                "unix:/tmp/x",
                "http://u:horse@localhost",
                "http://localhost/horse",
                "http://localhost?horse"
            })
    void anAddressNeedsASchemeAndAHost(String server) {
        var error = failure(() -> Countersign.builder().server(server).build());
        assertTrue(error.getMessage().contains("http://HOST:PORT"), error.getMessage());
        assertFalse(error.toString().contains("horse"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "abc\n", "a b", "grün"})
    void aTokenIsVisibleAscii(String token) {
        var error = failure(() ->
                Countersign.builder().server("http://localhost").token(token).build());
        assertTrue(
                error.getMessage().startsWith("the token is not visible ASCII text, without a line end"),
                error.getMessage());
    }

    @Test
    void theEnvironmentHoldsWhereNothingIsGiven() {
        var far = Map.of("COUNTERSIGN_SERVER", "http://countersign.internal", "COUNTERSIGN_TOKEN", HORSE);
        assertEquals(
                "token",
                failure(() -> new Builder(far).build()).violations().get(0).field());
        assertDoesNotThrow(
                () -> new Builder(far).server("http://localhost").build().close());
        assertEquals(
                "token",
                failure(() -> new Builder(Map.of()).token(null).build())
                        .violations()
                        .get(0)
                        .field());

        var here = Map.of("COUNTERSIGN_SERVER", Testbed.variable("COUNTERSIGN_SERVER"), "COUNTERSIGN_TOKEN", "");
        try (var client = new Builder(here).build()) {
            assertFalse(client.verifyWebhook(STRIPE, Map.of(), BODY).isVerified());
        }
    }

    @Test
    void settingsThatCannotBeUsedAreErrors() {
        var pem = "-----BEGIN NOTHING-----".getBytes(StandardCharsets.UTF_8);
        assertTrue(failure(() -> Countersign.builder()
                        .server("http://localhost")
                        .caCertificate(pem)
                        .build())
                .getMessage()
                .contains("https://"));
        for (var builder : List.of(
                Countersign.builder().server("https://localhost").caCertificate(pem),
                Countersign.builder().server("https://localhost").clientCertificate(pem, pem))) {
            assertTrue(failure(builder::build).getMessage().contains("PEM"));
        }
        failure(() -> Countersign.builder().deadline(Duration.ZERO).build());
    }

    @Test
    void aTokenIsInNoText() {
        var builder = Countersign.builder().server("http://localhost:1").token(HORSE);
        assertFalse(builder.toString().contains("horse"));
        try (var client = builder.build()) {
            assertFalse(client.toString().contains("horse"));
            assertFalse(client.channel().toString().contains("horse"));
            var logged = logged(() -> {
                var error = failure(() -> client.sign("demo/chatwoot-identity", new Identity("u")));
                for (Throwable at = error; at != null; at = at.getCause()) {
                    assertFalse(at.toString().contains("horse"));
                }
            });
            assertTrue(logged.length() > 0, "gRPC logs something at its finest level");
            assertFalse(logged.contains("horse"));
        }
    }

    @Test
    void proofsAndKeysAreInNoText() {
        try (var countersign = Testbed.open()) {
            var signed = countersign.sign("demo/chatwoot-identity", new Identity("u"));
            assertFalse(signed.toString().contains(signed.proof()), signed.toString());
            var secret = Testbed.secret(countersign, "stripe.webhook").secret().getName();
            var rotated = countersign.rotateSecret(secret);
            assertFalse(rotated.toString().contains(rotated.revealedKey()), rotated.toString());
        }
    }

    @Test
    void tlsWithATokenAndTheServersAuthority() {
        try (var client =
                Testbed.tls().token(Testbed.text("TESTBED_TOKEN_FILE")).build()) {
            var headers = client.signWebhook(STRIPE, BODY).headers();
            assertTrue(client.verifyWebhook(STRIPE, headers, BODY).isVerified());
        }
    }

    @Test
    void aClientCertificateStandsForACaller() {
        var certificate = Testbed.file("TESTBED_CLIENT_CERT");
        var key = Testbed.file("TESTBED_CLIENT_KEY");
        try (var client = Testbed.tls().clientCertificate(certificate, key).build()) {
            var headers = client.signWebhook(STRIPE, BODY).headers();
            assertTrue(client.verifyWebhook(STRIPE, headers, BODY).isVerified());
        }
    }

    @Test
    void withoutCredentialsNothingIsAnswered() {
        try (var client = Testbed.tls().build()) {
            var error = failure(() -> client.verifyWebhook(STRIPE, Map.of(), BODY));
            assertEquals(Code.UNAUTHENTICATED, error.code());
            assertFalse(error.reason().isEmpty());
        }
    }

    @Test
    void aCallerMayDoWhatIsGrantedAndNoMore() {
        try (var reader =
                Testbed.tls().token(Testbed.text("TESTBED_READER_TOKEN_FILE")).build()) {
            assertFalse(reader.verifyWebhook(STRIPE, Map.of(), BODY).isVerified());
            var error = failure(() -> reader.signWebhook(STRIPE, BODY));
            assertEquals(Code.PERMISSION_DENIED, error.code());
        }
    }

    @Test
    void aServerOfAnUnknownAuthorityIsNotSpokenTo() {
        var server = Testbed.variable("TESTBED_TLS_SERVER");
        try (var client = Countersign.builder().server(server).token(HORSE).build()) {
            var error = failure(() -> client.verifyWebhook(STRIPE, Map.of(), BODY));
            assertEquals(Code.UNAVAILABLE, error.code());
            assertNull(error.reason());
        }
    }

    private static String logged(Runnable call) {
        var text = new StringBuffer();
        var handler = new Handler() {
            @Override
            public void publish(LogRecord entry) {
                text.append(new SimpleFormatter().format(entry));
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        };
        handler.setLevel(Level.ALL);
        var grpc = Logger.getLogger("io.grpc");
        var before = grpc.getLevel();
        grpc.setUseParentHandlers(false);
        grpc.setLevel(Level.ALL);
        grpc.addHandler(handler);
        try {
            call.run();
        } finally {
            grpc.removeHandler(handler);
            grpc.setLevel(before);
            grpc.setUseParentHandlers(true);
        }
        return text.toString();
    }
}
