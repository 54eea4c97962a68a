package countersign;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.ByteString;
import countersign.v1.SignRequest;
import countersign.v1.VerifyRequest;
import countersign.v1.VerifyWebhookRequest;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.StreamSupport;

/** The door of the SDK: questions on standard input, answers on standard output; sdk/README.md has their form. */
public final class Door {
    private Door() {}

    public static void main(String[] arguments) throws java.io.IOException {
        try (var countersign = Countersign.connect()) {
            DoorLines.answer(System.in, System.out, question -> answer(countersign, question));
        }
    }

    static Map<String, Object> answer(Countersign countersign, JsonObject question) {
        try {
            return switch (question.get("rpc").getAsString()) {
                case "VerifyWebhook" -> shown(countersign.verifyWebhook(delivery(question)));
                case "Verify" -> shown(countersign.verify(claim(question)));
                default ->
                    shown(countersign.sign(SignRequest.newBuilder()
                            .setSecret(DoorLines.text(question, "secret"))
                            .setIdentity(identity(question.getAsJsonObject("identity"))
                                    .toWire())
                            .build()));
            };
        } catch (CountersignException error) {
            var fields = error.violations().stream()
                    .map(CountersignException.Violation::field)
                    .toList();
            return DoorLines.error(error.code(), error.reason(), fields);
        }
    }

    private static VerifyWebhookRequest delivery(JsonObject question) {
        var headers = StreamSupport.stream(question.getAsJsonArray("headers").spliterator(), false)
                .map(JsonElement::getAsJsonArray)
                .map(pair -> Map.entry(pair.get(0).getAsString(), pair.get(1).getAsString()))
                .toList();
        return VerifyWebhookRequest.newBuilder()
                .setSecret(DoorLines.text(question, "secret"))
                .addAllHeaders(Headers.toWire(headers, "authorization"))
                .setBody(ByteString.copyFrom(Base64.getDecoder().decode(DoorLines.text(question, "body"))))
                .setMethod(DoorLines.text(question, "method"))
                .setUrl(DoorLines.text(question, "url"))
                .build();
    }

    private static VerifyRequest claim(JsonObject question) {
        var request = VerifyRequest.newBuilder().setSecret(DoorLines.text(question, "secret"));
        if (question.has("claimed")) {
            request.setClaimed(identity(question.getAsJsonObject("claimed")).toWire());
        }
        if (question.has("hash")) {
            request.setHash(DoorLines.text(question, "hash"));
        } else if (question.has("token")) {
            request.setToken(DoorLines.text(question, "token"));
        }
        return request.build();
    }

    private static Identity identity(JsonObject json) {
        var attributes = new LinkedHashMap<String, Object>();
        if (json.has("attributes")) {
            json.getAsJsonObject("attributes")
                    .asMap()
                    .forEach((name, value) -> attributes.put(name, DoorLines.object(value)));
        }
        return new Identity(
                DoorLines.text(json, "id"), DoorLines.text(json, "email"), DoorLines.text(json, "name"), attributes);
    }

    private static Map<String, Object> shown(WebhookVerdict verdict) {
        var answer = verdict(verdict.decision(), verdict.reason(), verdict.version());
        answer.put("proven", verdict.proven().stream().map(DoorLines::bare).toList());
        answer.put("proven_fields", verdict.provenFields());
        answer.put(
                "handshake",
                verdict.handshake() == null ? null : verdict.handshake().name());
        return answer;
    }

    private static Map<String, Object> shown(Verdict verdict) {
        var answer = verdict(verdict.decision(), verdict.reason(), verdict.version());
        answer.put("trust", DoorLines.bare(verdict.trust()));
        answer.put("shield", DoorLines.bare(verdict.shield()));
        answer.put("verified", shown(verdict.verified()));
        answer.put("claimed", shown(verdict.claimed()));
        return answer;
    }

    private static Map<String, Object> shown(Signed signed) {
        var answer = new LinkedHashMap<String, Object>();
        answer.put("hash", signed.hash());
        answer.put("token", signed.token());
        answer.put("version", signed.version().number());
        answer.put("state", DoorLines.bare(signed.version().state()));
        return answer;
    }

    private static Map<String, Object> verdict(Enum<?> decision, Enum<?> reason, VersionUse version) {
        var answer = new LinkedHashMap<String, Object>();
        answer.put("decision", DoorLines.bare(decision));
        answer.put("reason", reason == null ? null : DoorLines.bare(reason));
        answer.put("version", version == null ? null : version.number());
        answer.put("state", version == null ? null : DoorLines.bare(version.state()));
        return answer;
    }

    private static Map<String, Object> shown(Identity identity) {
        if (identity == null) {
            return null;
        }
        var answer = new LinkedHashMap<String, Object>();
        answer.put("id", identity.id());
        answer.put("email", identity.email());
        answer.put("name", identity.name());
        answer.put("attributes", identity.attributes().isEmpty() ? null : identity.attributes());
        return answer;
    }
}
