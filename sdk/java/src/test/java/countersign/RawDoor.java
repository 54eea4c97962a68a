package countersign;

import com.google.gson.JsonObject;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import countersign.v1.CountersignServiceGrpc;
import countersign.v1.CountersignServiceGrpc.CountersignServiceBlockingStub;
import countersign.v1.Header;
import countersign.v1.SignRequest;
import countersign.v1.VerifyRequest;
import countersign.v1.VerifyWebhookRequest;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.net.URI;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The same door by the generated client alone, with nothing of the SDK. */
public final class RawDoor {
    private RawDoor() {}

    public static void main(String[] arguments) throws IOException {
        var server = URI.create(System.getenv("COUNTERSIGN_SERVER"));
        var channel = ManagedChannelBuilder.forAddress(server.getHost(), server.getPort())
                .usePlaintext()
                .build();
        var stub = CountersignServiceGrpc.newBlockingStub(channel);
        var token = System.getenv("COUNTERSIGN_TOKEN");
        if (token != null && !token.isEmpty()) {
            var metadata = new Metadata();
            metadata.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + token);
            stub = stub.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(metadata));
        }
        var authorized = stub;
        DoorLines.answer(System.in, System.out, question -> answer(authorized, question));
        channel.shutdown();
    }

    static Map<String, Object> answer(CountersignServiceBlockingStub stub, JsonObject question) {
        try {
            return switch (question.get("rpc").getAsString()) {
                case "VerifyWebhook" -> verifyWebhook(stub, question);
                case "Verify" -> verify(stub, question);
                default -> sign(stub, question);
            };
        } catch (StatusRuntimeException error) {
            return shown(error);
        }
    }

    private static Map<String, Object> verifyWebhook(CountersignServiceBlockingStub stub, JsonObject question) {
        var request = VerifyWebhookRequest.newBuilder()
                .setSecret(DoorLines.text(question, "secret"))
                .setBody(ByteString.copyFrom(Base64.getDecoder().decode(DoorLines.text(question, "body"))))
                .setMethod(DoorLines.text(question, "method"))
                .setUrl(DoorLines.text(question, "url"));
        for (var pair : question.getAsJsonArray("headers")) {
            var name = pair.getAsJsonArray().get(0).getAsString();
            var value = pair.getAsJsonArray().get(1).getAsString();
            request.addHeaders(Header.newBuilder().setName(name).setValue(value));
        }
        var wire = stub.verifyWebhook(request.build());
        var answer = new LinkedHashMap<String, Object>();
        answer.put("decision", DoorLines.bare(wire.getDecision()));
        answer.put("reason", wire.getReasonValue() == 0 ? null : DoorLines.bare(wire.getReason()));
        answer.put("version", wire.hasVersion() ? wire.getVersion().getNumber() : null);
        answer.put("state", wire.hasVersion() ? DoorLines.bare(wire.getVersion().getState()) : null);
        answer.put("proven", wire.getProvenList().stream().map(DoorLines::bare).toList());
        answer.put("proven_fields", wire.getProvenFieldsList());
        answer.put("handshake", wire.hasHandshake() ? wire.getHandshake().getName() : null);
        return answer;
    }

    private static Map<String, Object> verify(CountersignServiceBlockingStub stub, JsonObject question) {
        var request = VerifyRequest.newBuilder().setSecret(DoorLines.text(question, "secret"));
        if (question.has("claimed")) {
            request.setClaimed(identity(question.getAsJsonObject("claimed")));
        }
        if (question.has("hash")) {
            request.setHash(DoorLines.text(question, "hash"));
        } else if (question.has("token")) {
            request.setToken(DoorLines.text(question, "token"));
        }
        var wire = stub.verify(request.build());
        var answer = new LinkedHashMap<String, Object>();
        answer.put("decision", DoorLines.bare(wire.getDecision()));
        answer.put("reason", wire.getReasonValue() == 0 ? null : DoorLines.bare(wire.getReason()));
        answer.put("version", wire.hasVersion() ? wire.getVersion().getNumber() : null);
        answer.put("state", wire.hasVersion() ? DoorLines.bare(wire.getVersion().getState()) : null);
        answer.put("trust", DoorLines.bare(wire.getTrust()));
        answer.put("shield", DoorLines.bare(wire.getShield()));
        answer.put("verified", wire.hasVerified() ? shown(wire.getVerified()) : null);
        answer.put("claimed", wire.hasClaimed() ? shown(wire.getClaimed()) : null);
        return answer;
    }

    private static Map<String, Object> sign(CountersignServiceBlockingStub stub, JsonObject question) {
        var wire = stub.sign(SignRequest.newBuilder()
                .setSecret(DoorLines.text(question, "secret"))
                .setIdentity(identity(question.getAsJsonObject("identity")))
                .build());
        var answer = new LinkedHashMap<String, Object>();
        answer.put("hash", wire.getHash().isEmpty() ? null : wire.getHash());
        answer.put("token", wire.getToken().isEmpty() ? null : wire.getToken());
        answer.put("version", wire.getVersion().getNumber());
        answer.put("state", DoorLines.bare(wire.getVersion().getState()));
        return answer;
    }

    private static countersign.v1.Identity identity(JsonObject json) {
        var identity = countersign.v1.Identity.newBuilder()
                .setId(DoorLines.text(json, "id"))
                .setEmail(DoorLines.text(json, "email"))
                .setName(DoorLines.text(json, "name"));
        if (json.has("attributes")) {
            identity.setAttributes(Wire.struct((Map<?, ?>) DoorLines.object(json.get("attributes"))));
        }
        return identity.build();
    }

    private static Map<String, Object> shown(countersign.v1.Identity identity) {
        var answer = new LinkedHashMap<String, Object>();
        answer.put("id", identity.getId());
        answer.put("email", identity.getEmail());
        answer.put("name", identity.getName());
        answer.put("attributes", identity.hasAttributes() ? Wire.map(identity.getAttributes()) : null);
        return answer;
    }

    private static Map<String, Object> shown(StatusRuntimeException error) {
        String reason = null;
        List<String> fields = new ArrayList<>();
        try {
            for (var detail : StatusProto.fromThrowable(error).getDetailsList()) {
                if (detail.is(ErrorInfo.class)) {
                    reason = detail.unpack(ErrorInfo.class).getReason();
                } else if (detail.is(BadRequest.class)) {
                    detail.unpack(BadRequest.class).getFieldViolationsList().forEach(bad -> fields.add(bad.getField()));
                }
            }
        } catch (InvalidProtocolBufferException unreadable) {
            throw new IllegalStateException(unreadable);
        }
        return DoorLines.error(error.getStatus().getCode(), reason, fields);
    }
}
