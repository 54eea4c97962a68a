package countersign;

import static countersign.CountersignTest.failure;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import countersign.v1.CountersignServiceGrpc.CountersignServiceImplBase;
import countersign.v1.Decision;
import countersign.v1.Handshake;
import countersign.v1.Reason;
import countersign.v1.Shield;
import countersign.v1.SignRequest;
import countersign.v1.SignResponse;
import countersign.v1.Trust;
import countersign.v1.VerifyRequest;
import countersign.v1.VerifyResponse;
import countersign.v1.VerifyWebhookRequest;
import countersign.v1.VerifyWebhookResponse;
import countersign.v1.VersionState;
import countersign.v1.VersionUse;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.Status.Code;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Against a server that answers what the real one never does, and sees what each call brings along. */
class FailClosedTest {
    private final List<Metadata> calls = Collections.synchronizedList(new ArrayList<>());
    private final List<Long> left = Collections.synchronizedList(new ArrayList<>());
    private VerifyResponse verdict = VerifyResponse.getDefaultInstance();
    private VerifyWebhookResponse delivery = VerifyWebhookResponse.getDefaultInstance();
    private SignResponse proof = SignResponse.getDefaultInstance();
    private Status failure = Status.OK;
    private Server server;
    private Countersign client;

    @BeforeEach
    void start() throws IOException {
        server = Grpc.newServerBuilderForPort(0, InsecureServerCredentials.create())
                .addService(new Answers())
                .intercept(new Seen())
                .build()
                .start();
        client = Countersign.builder()
                .server("http://localhost:" + server.getPort())
                .token("correct-horse")
                .build();
    }

    @AfterEach
    void stop() throws InterruptedException {
        client.close();
        server.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
    }

    @Test
    void whatHoldsIsVerified() {
        verdict = verified();
        assertTrue(verify().isVerified());
        delivery = allowed();
        assertTrue(deliver().isVerified());
    }

    @Test
    void anUnknownNumberNeverReadsAsAVerdict() {
        List<UnaryOperator<VerifyResponse.Builder>> verdicts = List.of(
                wire -> wire.setDecisionValue(77),
                wire -> wire.setTrustValue(77),
                wire -> wire.setShieldValue(77),
                wire -> wire.setVersion(VersionUse.newBuilder().setStateValue(77)));
        for (var spoil : verdicts) {
            verdict = spoil.apply(verified().toBuilder()).build();
            assertEquals(Code.INTERNAL, failure(this::verify).code());
        }
        List<UnaryOperator<VerifyWebhookResponse.Builder>> deliveries = List.of(
                wire -> wire.setDecisionValue(77),
                wire -> wire.addProvenValue(77),
                wire -> wire.setReplayValue(77),
                wire -> wire.setHandshake(Handshake.newBuilder().setStatus(7)));
        for (var spoil : deliveries) {
            delivery = spoil.apply(allowed().toBuilder()).build();
            assertEquals(Code.INTERNAL, failure(this::deliver).code());
        }
    }

    @Test
    void anAnswerWithoutADecisionOrAnIdentityIsAnError() {
        failure(this::verify);
        failure(this::deliver);
        failure(this::sign);
        verdict = verified().toBuilder().clearVerified().build();
        failure(this::verify);
        verdict = verified().toBuilder().clearTrust().build();
        failure(this::verify);
    }

    @Test
    void aProofWithoutAVersionOrAVersionWithoutAProofIsAnError() {
        proof = SignResponse.newBuilder().setHash("00").build();
        failure(this::sign);
        var version = VersionUse.newBuilder().setNumber(1).setState(VersionState.VERSION_STATE_ACTIVE);
        proof = SignResponse.newBuilder().setVersion(version).build();
        failure(this::sign);
        proof = SignResponse.newBuilder().setVersion(version).setHash("00").build();
        assertEquals("00", sign().proof());
    }

    @Test
    void aRefusalForAnUnknownReasonIsARefusal() {
        delivery = VerifyWebhookResponse.newBuilder()
                .setDecision(Decision.DECISION_DENY)
                .setReasonValue(77)
                .build();
        assertFalse(deliver().isVerified());
        assertEquals(Reason.UNRECOGNIZED, deliver().reason());
        assertEquals("UNRECOGNIZED", deliver().reasonCode());
    }

    @Test
    void anAllowedButUnverifiedIdentityIsNotVerified() {
        verdict = verified().toBuilder()
                .setTrust(Trust.TRUST_UNVERIFIED)
                .clearVerified()
                .build();
        assertTrue(verify().isAllowed());
        assertFalse(verify().isVerified());
        verdict = verified().toBuilder().setDecision(Decision.DECISION_DENY).build();
        assertFalse(verify().isAllowed() || verify().isVerified());
    }

    @Test
    void allAttemptsOfACallShareItsIdAndItsDeadlineAndThereAreThree() {
        failure = Status.UNAVAILABLE;
        assertEquals(Code.UNAVAILABLE, failure(this::deliver).code());
        assertEquals(3, calls.size());
        assertEquals(1, ids().size());
        assertTrue(left.get(0) <= 5000 && left.get(0) > 0, left + " ms");
        assertTrue(left.get(2) < left.get(0) - 100, "retries come after a pause, within the same deadline: " + left);
        failure(this::deliver);
        assertEquals(2, ids().size());
    }

    @Test
    void onlyUnavailableIsTriedAgain() {
        for (var code : List.of(Code.INTERNAL, Code.UNKNOWN, Code.RESOURCE_EXHAUSTED, Code.ABORTED, Code.CANCELLED)) {
            calls.clear();
            failure = Status.fromCode(code);
            assertEquals(code, failure(this::deliver).code());
            assertEquals(1, calls.size(), code.name());
        }
    }

    @Test
    void theTokenAndAShorterDeadlineGoAlong() {
        verdict = verified();
        verify();
        assertEquals("Bearer correct-horse", calls.get(0).get(key("authorization")));
        try (var hurried = Countersign.builder()
                .server("http://localhost:" + server.getPort())
                .deadline(Duration.ofSeconds(1))
                .build()) {
            hurried.verifyHash("demo/x", new Identity("u"), "00");
        }
        assertTrue(left.get(1) <= 1000, left + " ms");
    }

    private Verdict verify() {
        return client.verifyHash("demo/x", new Identity("u"), "00");
    }

    private WebhookVerdict deliver() {
        return client.verifyWebhook("demo/x", Map.of(), new byte[0]);
    }

    private Signed sign() {
        return client.sign("demo/x", new Identity("u"));
    }

    private Set<String> ids() {
        return calls.stream()
                .map(metadata -> metadata.get(key("countersign-call-id")))
                .collect(Collectors.toSet());
    }

    private static Metadata.Key<String> key(String name) {
        return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
    }

    private static VerifyResponse verified() {
        return VerifyResponse.newBuilder()
                .setDecision(Decision.DECISION_ALLOW)
                .setTrust(Trust.TRUST_VERIFIED)
                .setShield(Shield.SHIELD_SET)
                .setVerified(countersign.v1.Identity.newBuilder().setId("u"))
                .build();
    }

    private static VerifyWebhookResponse allowed() {
        return VerifyWebhookResponse.newBuilder()
                .setDecision(Decision.DECISION_ALLOW)
                .build();
    }

    private final class Answers extends CountersignServiceImplBase {
        @Override
        public void verify(VerifyRequest request, StreamObserver<VerifyResponse> observer) {
            answer(verdict, observer);
        }

        @Override
        public void verifyWebhook(VerifyWebhookRequest request, StreamObserver<VerifyWebhookResponse> observer) {
            answer(delivery, observer);
        }

        @Override
        public void sign(SignRequest request, StreamObserver<SignResponse> observer) {
            answer(proof, observer);
        }

        private <T> void answer(T message, StreamObserver<T> observer) {
            if (failure.isOk()) {
                observer.onNext(message);
                observer.onCompleted();
            } else {
                observer.onError(failure.asRuntimeException());
            }
        }
    }

    private final class Seen implements ServerInterceptor {
        @Override
        public <Q, A> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, A> call, Metadata metadata, ServerCallHandler<Q, A> next) {
            calls.add(metadata);
            left.add(Context.current().getDeadline().timeRemaining(TimeUnit.MILLISECONDS));
            return next.startCall(call, metadata);
        }
    }
}
