package countersign;

import com.google.protobuf.ByteString;
import countersign.v1.CountersignServiceGrpc;
import countersign.v1.CountersignServiceGrpc.CountersignServiceBlockingStub;
import countersign.v1.CreateSecretRequest;
import countersign.v1.ExplainRequest;
import countersign.v1.ExplainResponse;
import countersign.v1.RotateSecretRequest;
import countersign.v1.SecretServiceGrpc;
import countersign.v1.SecretServiceGrpc.SecretServiceBlockingStub;
import countersign.v1.SignRequest;
import countersign.v1.VerifyRequest;
import countersign.v1.VerifyWebhookRequest;
import countersign.v1.WebhookToSign;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.util.Map;
import java.util.UUID;
import java.util.function.Supplier;

/**
 * A client of the service. Make one and keep it: it is safe for many threads, and connects at its first call.
 *
 * <p>Every method blocks for at most the deadline, and throws {@link CountersignException} where there is no answer. A
 * refused proof is an answer. A thread that is interrupted in a call cancels it, as does a cancelled
 * {@link io.grpc.Context}.
 */
public final class Countersign implements AutoCloseable {
    private final ManagedChannel connection;
    private final Channel channel;
    private final CountersignServiceBlockingStub data;
    private final SecretServiceBlockingStub secrets;

    Countersign(ManagedChannel connection, Calls calls) {
        this.connection = connection;
        channel = ClientInterceptors.intercept(connection, calls);
        data = CountersignServiceGrpc.newBlockingStub(channel);
        secrets = SecretServiceGrpc.newBlockingStub(channel);
    }

    /** A client of the server and with the token that {@code COUNTERSIGN_SERVER} and {@code COUNTERSIGN_TOKEN} name. */
    public static Countersign connect() {
        return builder().build();
    }

    /** Starts a client with settings of its own. */
    public static Builder builder() {
        return new Builder(System.getenv());
    }

    /**
     * Checks a webhook delivery.
     *
     * @param secret name of the secret
     * @param headers of the request as received, see {@link Headers}; for those of other frameworks the overload below
     * @param body the bytes as they came off the socket, before any parser
     */
    public WebhookVerdict verifyWebhook(String secret, Map<String, ?> headers, byte[] body) {
        return verifyWebhook(secret, headers.entrySet(), body);
    }

    /** Checks a webhook delivery, with headers as pairs of a name and one or many values, see {@link Headers}. */
    public WebhookVerdict verifyWebhook(String secret, Iterable<? extends Map.Entry<String, ?>> headers, byte[] body) {
        if (body == null) {
            throw CountersignException.invalid("body", "is null: give the raw bytes of the request");
        }
        return verifyWebhook(VerifyWebhookRequest.newBuilder()
                .setSecret(secret)
                .addAllHeaders(Headers.toWire(headers))
                .setBody(ByteString.copyFrom(body))
                .build());
    }

    /** Checks a webhook delivery with every field under the caller's control: vendors that sign method and URL. */
    public WebhookVerdict verifyWebhook(VerifyWebhookRequest request) {
        return WebhookVerdict.of(call(() -> data.verifyWebhook(request)));
    }

    /** Checks a user hash against the identity that the client claims. */
    public Verdict verifyHash(String secret, Identity claimed, String hash) {
        return verify(VerifyRequest.newBuilder()
                .setSecret(secret)
                .setClaimed(claimed.toWire())
                .setHash(hash)
                .build());
    }

    /** Checks an identity token against the identity that the client claims, which may be empty. */
    public Verdict verifyToken(String secret, Identity claimed, String token) {
        return verify(VerifyRequest.newBuilder()
                .setSecret(secret)
                .setClaimed(claimed.toWire())
                .setToken(token)
                .build());
    }

    /** Checks an identity with every field under the caller's control, such as one without a proof. */
    public Verdict verify(VerifyRequest request) {
        return Verdict.of(call(() -> data.verify(request)));
    }

    /** Vouches for a user: a hash or a token, by the purpose of the secret. */
    public Signed sign(String secret, Identity identity) {
        return sign(SignRequest.newBuilder()
                .setSecret(secret)
                .setIdentity(identity.toWire())
                .build());
    }

    /** Signs a delivery as the vendor would, now: the answer has the headers to send beside the body. */
    public Signed signWebhook(String secret, byte[] body) {
        return sign(SignRequest.newBuilder()
                .setSecret(secret)
                .setWebhook(WebhookToSign.newBuilder().setBody(ByteString.copyFrom(body)))
                .build());
    }

    /** Signs with every field under the caller's control: the lifetime of a token, an unguessable id. */
    public Signed sign(SignRequest request) {
        return Signed.of(call(() -> data.sign(request)));
    }

    /** Makes a new version of a secret; the one before verifies for another 24 hours. */
    public NewVersion rotateSecret(String secret) {
        return rotateSecret(RotateSecretRequest.newBuilder().setName(secret).build());
    }

    /** Rotates as asked. A request without a {@code request_id} gets one; with the same one it is done once. */
    public NewVersion rotateSecret(RotateSecretRequest request) {
        var asked = request.getRequestId().isEmpty()
                ? request.toBuilder().setRequestId(requestId()).build()
                : request;
        return NewVersion.of(call(() -> secrets.rotateSecret(asked)));
    }

    /** Creates a secret. A request without a {@code request_id} gets one; with the same one it is done once. */
    public NewVersion createSecret(CreateSecretRequest request) {
        var asked = request.getRequestId().isEmpty()
                ? request.toBuilder().setRequestId(requestId()).build()
                : request;
        return NewVersion.of(call(() -> secrets.createSecret(asked)));
    }

    /** Says why a check fails and what to change, for a person who repairs an integration. It changes no verdict. */
    public ExplainResponse explain(ExplainRequest request) {
        return call(() -> data.explain(request));
    }

    /**
     * The fields that a vendor's chat widget wants for a user.
     *
     * @param scheme id of the scheme, such as {@code intercom.identity}
     * @param proof the hash or token, {@link Signed#proof}
     * @return names and values, in the vendor's order: texts, maps and lists of them. What has no value is left out
     */
    public static Map<String, Object> widgetFields(String scheme, Identity identity, String proof) {
        return Widgets.fields(scheme, identity, proof);
    }

    /**
     * The connection, for generated stubs of the rest: {@code SchemeServiceGrpc.newBlockingStub(client.channel())}.
     * Token, deadline and retries hold there too; errors are {@link StatusRuntimeException}, and nothing checks the
     * answers.
     */
    public Channel channel() {
        return channel;
    }

    /** Ends the connection. Calls that are under way come to their end. */
    @Override
    public void close() {
        connection.shutdown();
    }

    private static <T> T call(Supplier<T> call) {
        try {
            return call.get();
        } catch (StatusRuntimeException error) {
            throw CountersignException.of(error);
        }
    }

    private static String requestId() {
        return UUID.randomUUID().toString();
    }
}
