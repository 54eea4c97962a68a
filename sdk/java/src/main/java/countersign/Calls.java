package countersign;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/** What goes along with every call: the token, the deadline, an id, and which calls are made again. */
final class Calls implements ClientInterceptor {
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    /** The id that all attempts of a call share, so that the service can tell a retry from another delivery. */
    private static final Metadata.Key<String> CALL_ID =
            Metadata.Key.of("countersign-call-id", Metadata.ASCII_STRING_MARSHALLER);

    /** Calls that change nothing, or that carry a request_id by which the service does them once. */
    private static final List<String> REPEATABLE = List.of(
            "CountersignService/Sign",
            "CountersignService/Verify",
            "CountersignService/VerifyWebhook",
            "SecretService/GetSecret",
            "SecretService/ListSecrets",
            "SecretService/RotateSecret",
            "SecretService/CreateSecret",
            "SchemeService/GetScheme",
            "SchemeService/ListSchemes",
            "TokenService/ListTokens",
            "AuditService/ListAuditRecords");

    static final Map<String, ?> SERVICE_CONFIG = Map.of(
            "loadBalancingConfig",
            List.of(Map.of("round_robin", Map.of())),
            "methodConfig",
            List.of(Map.of(
                    "name",
                    REPEATABLE.stream().map(Calls::methodName).toList(),
                    "retryPolicy",
                    Map.of(
                            "maxAttempts",
                            3.0,
                            "initialBackoff",
                            "0.1s",
                            "maxBackoff",
                            "1s",
                            "backoffMultiplier",
                            2.0,
                            "retryableStatusCodes",
                            List.of("UNAVAILABLE")))));

    private final String token;
    private final Duration deadline;

    /** @param token null for none */
    Calls(String token, Duration deadline) {
        this.token = token;
        this.deadline = deadline;
    }

    @Override
    public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
        // A stream takes as long as it takes.
        var timed = options.getDeadline() == null && method.getType() == MethodType.UNARY
                ? options.withDeadlineAfter(deadline.toNanos(), TimeUnit.NANOSECONDS)
                : options;
        return new SimpleForwardingClientCall<>(next.newCall(method, timed)) {
            @Override
            public void start(Listener<A> listener, Metadata metadata) {
                metadata.put(CALL_ID, UUID.randomUUID().toString());
                if (token != null) {
                    metadata.put(AUTHORIZATION, "Bearer " + token);
                }
                super.start(listener, metadata);
            }
        };
    }

    private static Map<String, String> methodName(String path) {
        var parts = path.split("/");
        return Map.of("service", "countersign.v1." + parts[0], "method", parts[1]);
    }
}
