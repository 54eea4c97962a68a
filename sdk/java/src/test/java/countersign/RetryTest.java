package countersign;

import static countersign.CountersignTest.failure;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import countersign.v1.ExplainRequest;
import countersign.v1.GetSecretRequest;
import countersign.v1.ListSecretsRequest;
import countersign.v1.SecretServiceGrpc;
import io.grpc.Status.Code;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Against a server that answers the third attempt of a call alone. */
class RetryTest {
    private static final Identity ADA = new Identity("user-42");

    private static Countersign open;
    private static Countersign flaky;

    @BeforeAll
    static void connect() {
        open = Testbed.open();
        flaky = Countersign.builder()
                .server(Testbed.variable("TESTBED_FLAKY_SERVER"))
                .build();
    }

    @AfterAll
    static void close() {
        open.close();
        flaky.close();
    }

    @Test
    void identitiesAreSignedAndVerifiedAtTheThirdAttempt() {
        var hash = flaky.sign("demo/chatwoot-identity", ADA).proof();
        assertTrue(flaky.verifyHash("demo/chatwoot-identity", ADA, hash).isVerified());
    }

    @Test
    void aLargeBodyIsSentAgainAsWell() {
        var body = new byte[1 << 20];
        var headers = open.signWebhook("demo/github-webhook", body).headers();
        assertTrue(flaky.verifyWebhook("demo/github-webhook", headers, body).isVerified());
    }

    @Test
    void aSecretIsCreatedAndRotatedOnce() {
        var secret = Testbed.secret(flaky, "stripe.webhook").secret().getName();
        assertEquals(2, flaky.rotateSecret(secret).version());
        var secrets = SecretServiceGrpc.newBlockingStub(flaky.channel());
        var found =
                secrets.getSecret(GetSecretRequest.newBuilder().setName(secret).build());
        assertEquals(2, found.getSecret().getVersionsCount());
        var page = secrets.listSecrets(
                ListSecretsRequest.newBuilder().setNamespace("demo").build());
        assertTrue(page.getSecretsCount() > 10);
    }

    @Test
    void whatIsNotKnownToBeRepeatableIsTriedOnce() {
        var error = failure(() -> flaky.explain(ExplainRequest.getDefaultInstance()));
        assertEquals(Code.UNAVAILABLE, error.code());
    }
}
