package countersign;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import countersign.v1.CauseCode;
import countersign.v1.Decision;
import countersign.v1.ExplainRequest;
import countersign.v1.GetSchemeRequest;
import countersign.v1.ProvenPart;
import countersign.v1.Reason;
import countersign.v1.Replay;
import countersign.v1.RotateSecretRequest;
import countersign.v1.SchemeServiceGrpc;
import countersign.v1.Shield;
import countersign.v1.SignRequest;
import countersign.v1.Trust;
import countersign.v1.VerifyRequest;
import countersign.v1.VerifyWebhookRequest;
import countersign.v1.VersionState;
import io.grpc.Context;
import io.grpc.Status.Code;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class CountersignTest {
    private static final String STRIPE = "demo/stripe-webhook";
    private static final String CHATWOOT = "demo/chatwoot-identity";
    private static final byte[] BODY = "{\"id\":\"evt_1\"}".getBytes(StandardCharsets.UTF_8);
    private static final Identity ADA =
            new Identity("user-42").withEmail("ada@example.com").withName("Ada");

    private static Countersign countersign;

    @BeforeAll
    static void connect() {
        countersign = Testbed.open();
    }

    @AfterAll
    static void close() {
        countersign.close();
    }

    @Test
    void aGenuineDeliveryIsVerifiedAndSaysWhatIsProven() {
        var verdict = countersign.verifyWebhook(
                STRIPE, countersign.signWebhook(STRIPE, BODY).headers(), BODY);

        assertTrue(verdict.isVerified() && verdict.isEvent());
        assertEquals(List.of(ProvenPart.PROVEN_PART_BODY, ProvenPart.PROVEN_PART_TIMESTAMP), verdict.proven());
        assertEquals(Replay.REPLAY_FIRST, verdict.replay());
        assertEquals(VersionState.VERSION_STATE_ACTIVE, verdict.version().state());
        assertTrue(verdict.age().abs().compareTo(Duration.ofMinutes(1)) < 0);
        assertTrue(Duration.between(verdict.signedTime(), Instant.now()).abs().toSeconds() < 60);
        assertNull(verdict.reason());
        assertNull(verdict.reasonCode());
    }

    @Test
    void aTamperedDeliveryIsRefusedWithAReason() {
        var headers = countersign.signWebhook(STRIPE, BODY).headers();
        var tampered = "{\"id\":\"evt_2\"}".getBytes(StandardCharsets.UTF_8);
        var verdict = countersign.verifyWebhook(STRIPE, headers, tampered);

        assertFalse(verdict.isVerified() || verdict.isEvent());
        assertEquals(Decision.DECISION_DENY, verdict.decision());
        assertEquals(Reason.REASON_SIGNATURE_MISMATCH, verdict.reason());
        assertEquals("SIGNATURE_MISMATCH", verdict.reasonCode());
        assertNull(verdict.version());
    }

    @Test
    void aBodyOfOneMebibyteAndBytesThatAreNoTextAreVerifiedAsTheyAre() {
        var body = new byte[1 << 20];
        new Random(1).nextBytes(body);
        var headers = countersign.signWebhook("demo/github-webhook", body).headers();
        assertTrue(
                countersign.verifyWebhook("demo/github-webhook", headers, body).isVerified());

        body[body.length - 1] ^= 1;
        assertFalse(
                countersign.verifyWebhook("demo/github-webhook", headers, body).isVerified());
    }

    @Test
    void aHeaderThatWasGivenTwiceReachesTheServiceTwice() {
        var headers = countersign.signWebhook(STRIPE, BODY).headers();
        var doubled = new ArrayList<>(headers);
        doubled.addAll(headers);
        var verdict = countersign.verifyWebhook(STRIPE, doubled, BODY);
        assertEquals("HEADER_AMBIGUOUS", verdict.reasonCode());

        var name = headers.get(0).getKey();
        var value = headers.get(0).getValue();
        assertEquals(
                "HEADER_AMBIGUOUS",
                countersign
                        .verifyWebhook(STRIPE, Map.of(name, List.of(value, value)), BODY)
                        .reasonCode());
        assertTrue(countersign.verifyWebhook(STRIPE, Map.of(name, value), BODY).isVerified());
    }

    @Test
    void anUnsignedHandshakeIsRefusedAndAnswered() {
        var body = "{\"type\":\"url_verification\",\"challenge\":\"abc\"}".getBytes(StandardCharsets.UTF_8);
        var signed = countersign.signWebhook("demo/slack-webhook", body).headers();
        var verdict = countersign.verifyWebhook("demo/slack-webhook", signed, body);
        assertTrue(verdict.isVerified());
        assertFalse(verdict.isEvent());
        assertEquals(200, verdict.handshake().status());
        assertTrue(verdict.handshake().body().toStringUtf8().contains("abc"));
    }

    @Test
    void aHashProvesItsUserAndNobodyElse() {
        var hash = countersign.sign(CHATWOOT, ADA).proof();
        var verdict = countersign.verifyHash(CHATWOOT, ADA, hash);
        assertTrue(verdict.isVerified() && verdict.isAllowed());
        assertEquals(Trust.TRUST_VERIFIED, verdict.trust());
        assertEquals(Shield.SHIELD_SET, verdict.shield());
        assertEquals(new Identity("user-42"), verdict.verified());
        assertEquals(new Identity("").withEmail("ada@example.com").withName("Ada"), verdict.claimed());

        var stolen = countersign.verifyHash(CHATWOOT, new Identity("mallory"), hash);
        assertFalse(stolen.isVerified() || stolen.isAllowed());
        assertEquals(Reason.REASON_SIGNATURE_MISMATCH, stolen.reason());
        assertNull(stolen.verified());

        var bare = countersign.verify(VerifyRequest.newBuilder()
                .setSecret(CHATWOOT)
                .setClaimed(ADA.toWire())
                .build());
        assertEquals(Reason.REASON_PROOF_MISSING, bare.reason());
        assertFalse(bare.isVerified());
    }

    @Test
    void aTokenCarriesItsClaimsAndItsEnd() {
        var ada = ADA.withAttribute("roles", Arrays.asList("admin", null, 2, true, Map.of("deep", 1.5)));
        var signed = countersign.sign(SignRequest.newBuilder()
                .setSecret("demo/countersign-token")
                .setIdentity(ada.toWire())
                .setTtl(com.google.protobuf.Duration.newBuilder().setSeconds(60))
                .build());
        assertNull(signed.hash());
        assertTrue(Duration.between(Instant.now(), signed.expireTime()).toSeconds() <= 60);

        var verdict = countersign.verifyToken("demo/countersign-token", new Identity(""), signed.proof());
        assertTrue(verdict.isVerified());
        assertEquals("user-42", verdict.verified().id());
        assertEquals(
                Arrays.asList("admin", null, 2.0, true, Map.of("deep", 1.5)),
                verdict.verified().attributes().get("roles"));
        assertNotNull(verdict.proofExpireTime());
    }

    @Test
    void aResourceIdIsUnguessableAndTheSameTwice() {
        var request = SignRequest.newBuilder()
                .setSecret("demo/talkjs-conversation-id")
                .setResourceId("42")
                .build();
        var id = countersign.sign(request).resourceId();
        assertEquals(id, countersign.sign(request).resourceId());
        assertNotEquals("42", id);
    }

    @Test
    void aRotationIsDoneOnceForOneRequestId() {
        var secret = Testbed.secret(countersign, "stripe.webhook").secret().getName();
        var request = RotateSecretRequest.newBuilder()
                .setName(secret)
                .setRequestId(UUID.randomUUID().toString())
                .build();
        var first = countersign.rotateSecret(request);
        assertEquals(2, first.version());
        assertEquals(first.revealedKey(), countersign.rotateSecret(request).revealedKey());
        assertEquals(2, countersign.rotateSecret(request).version());
        assertEquals(3, countersign.rotateSecret(secret).version());
    }

    @Test
    void theOldKeyVerifiesThroughTheGrace() {
        var secret = Testbed.secret(countersign, "stripe.webhook").secret().getName();
        var headers = countersign.signWebhook(secret, BODY).headers();
        countersign.rotateSecret(secret);
        var version = countersign.verifyWebhook(secret, headers, BODY).version();
        assertEquals(1, version.number());
        assertEquals(VersionState.VERSION_STATE_GRACE, version.state());
        assertTrue(version.graceEndTime().isAfter(Instant.now().plusSeconds(23 * 3600)));
    }

    @Test
    void anExplanationNamesTheCause() {
        var headers = countersign.signWebhook(STRIPE, BODY).headers();
        var request = VerifyWebhookRequest.newBuilder()
                .setSecret(STRIPE)
                .addAllHeaders(Headers.toWire(headers))
                .setBodyText("{ \"id\": \"evt_1\" }");
        var answer = countersign.explain(
                ExplainRequest.newBuilder().setWebhook(request).build());
        assertEquals(CauseCode.CAUSE_CODE_BODY_RESERIALISED, answer.getCauses(0).getCode());
    }

    @Test
    void generatedStubsShareTheConnection() {
        var schemes = SchemeServiceGrpc.newBlockingStub(countersign.channel());
        var scheme = schemes.getScheme(
                GetSchemeRequest.newBuilder().setId("stripe.webhook").build());
        assertEquals("stripe.webhook", scheme.getScheme().getId());
    }

    @Test
    void anErrorHasCodeAndReason() {
        var error = failure(() -> countersign.verifyWebhook("demo/missing", Map.of(), BODY));
        assertEquals(Code.NOT_FOUND, error.code());
        assertEquals("SECRET_NOT_FOUND", error.reason());
        assertEquals(List.of(), error.violations());
        assertFalse(error.getMessage().contains("demo/missing"), error.getMessage());
    }

    @Test
    void anErrorNamesTheFieldsAtFault() {
        var error = failure(() -> countersign.sign(CHATWOOT, new Identity("line\nfeed")));
        assertEquals(Code.INVALID_ARGUMENT, error.code());
        assertEquals("identity.id", error.violations().get(0).field());
        assertFalse(error.violations().get(0).description().isEmpty());
        assertTrue(error.getMessage().contains("identity.id"), error.getMessage());
        assertFalse(error.toString().contains("feed"));
    }

    @Test
    void aSecretOfAnotherPurposeIsAnError() {
        var error = failure(() -> countersign.verifyHash(STRIPE, ADA, "00"));
        assertEquals(Code.FAILED_PRECONDITION, error.code());
    }

    @Test
    void noBodyIsAnErrorThatSaysSo() {
        var error = failure(() -> countersign.verifyWebhook(STRIPE, Map.of(), null));
        assertEquals("the body is null: give the raw bytes of the request", error.getMessage());
    }

    @Test
    void aSilentServerEndsACallAtItsDeadline() {
        try (var silent = silent(Duration.ofMillis(300))) {
            var start = System.nanoTime();
            var error = failure(() -> silent.sign(CHATWOOT, ADA));
            var took = Duration.ofNanos(System.nanoTime() - start);
            assertEquals(Code.DEADLINE_EXCEEDED, error.code());
            assertTrue(took.toMillis() >= 250 && took.toMillis() < 4500, took.toString());
        }
    }

    @Test
    void aCancelledContextAndAnInterruptEndACall() throws InterruptedException {
        try (var silent = silent(Duration.ofSeconds(30))) {
            var context = Context.current().withCancellation();
            Runnable call = () -> silent.sign(CHATWOOT, ADA);
            var cancelled = inThread(context.wrap(call)::run, thread -> context.cancel(null));
            assertEquals(Code.CANCELLED, cancelled.code());
            var interrupted = inThread(call, Thread::interrupt);
            assertEquals(Code.CANCELLED, interrupted.code());
        }
    }

    @Test
    void aServerThatIsNotThereIsUnavailable() {
        try (var nobody = Countersign.builder().server("http://127.0.0.1:1").build()) {
            var error = failure(() -> nobody.sign(CHATWOOT, ADA));
            assertEquals(Code.UNAVAILABLE, error.code());
            assertTrue(error.getMessage().contains("check that the server runs"), error.getMessage());
        }
    }

    @Test
    void aClosedClientCallsNobody() {
        var closed = Testbed.open();
        closed.close();
        assertEquals(Code.UNAVAILABLE, failure(() -> closed.sign(CHATWOOT, ADA)).code());
    }

    static CountersignException failure(Executable call) {
        return assertThrows(CountersignException.class, call);
    }

    private static Countersign silent(Duration deadline) {
        var server = Testbed.variable("TESTBED_SILENT_SERVER");
        return Countersign.builder().server(server).deadline(deadline).build();
    }

    private static CountersignException inThread(Runnable call, Consumer<Thread> end) throws InterruptedException {
        var caught = new AtomicReference<CountersignException>();
        var thread = new Thread(() -> caught.set(failure(call::run)));
        thread.start();
        Thread.sleep(200);
        assertNull(caught.get(), "the call still waits");
        end.accept(thread);
        thread.join(20_000);
        return caught.get();
    }
}
