package countersign;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import countersign.v1.CountersignServiceGrpc;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

class DoorTest {
    private static final String BODY = "e30="; // {}

    @Test
    void bothDoorsAnswerTheSame() throws IOException {
        try (var countersign = Testbed.open()) {
            var hash = countersign
                    .sign("demo/chatwoot-identity", new Identity("u"))
                    .proof();
            var header = countersign
                    .signWebhook("demo/stripe-webhook", "{}".getBytes(StandardCharsets.UTF_8))
                    .headers()
                    .get(0);
            var questions = """
                    {"id":"1","rpc":"VerifyWebhook","secret":"demo/stripe-webhook","headers":[["%s","%s"]],"body":"%s","method":"POST","url":"https://example.com/"}
                    {"id":"2","rpc":"Verify","secret":"demo/chatwoot-identity","claimed":{"id":"u","email":"e","name":"n","attributes":{"k":[1,"x",null]}},"hash":"00"}
                    {"id":"3","rpc":"Sign","secret":"demo/chatwoot-identity","identity":{"id":"u"}}
                    {"id":"4","rpc":"Verify","secret":"demo/missing"}
                    {"id":"5","rpc":"Sign","secret":"demo/chatwoot-identity","identity":{"id":"a\\nb"}}
                    {"id":"6","rpc":"Verify","secret":"demo/kaltalk-token","token":""}
                    {"id":"7","rpc":"VerifyWebhook","secret":"demo/stripe-webhook","headers":[["A","1"],["A","2"]],"body":""}
                    """.formatted(header.getKey(), header.getValue(), BODY);
            var expected = """
                    {"id":"1","decision":"ALLOW","reason":null,"version":1,"state":"ACTIVE","proven":["BODY","TIMESTAMP"],"proven_fields":[],"handshake":null}
                    {"id":"2","decision":"DENY","reason":"SIGNATURE_MALFORMED","version":null,"state":null,"trust":"UNVERIFIED","shield":"CLEAR","verified":null,"claimed":{"id":"u","email":"e","name":"n","attributes":{"k":[1,"x",null]}}}
                    {"id":"3","hash":"%s","token":null,"version":1,"state":"ACTIVE"}
                    {"id":"4","error":{"code":"NOT_FOUND","reason":"SECRET_NOT_FOUND","fields":[]}}
                    """.formatted(hash);
            var raw = CountersignServiceGrpc.newBlockingStub(countersign.channel());
            var answers = answers(questions, question -> Door.answer(countersign, question));
            assertTrue(answers.startsWith(expected), answers);
            assertTrue(answers.contains("\"fields\":[\"identity.id\"]"), answers);
            assertEquals(answers, answers(questions, question -> RawDoor.answer(raw, question)));
        }
    }

    private static String answers(String questions, Function<JsonObject, Map<String, Object>> door) throws IOException {
        var in = new ByteArrayInputStream(questions.getBytes(StandardCharsets.UTF_8));
        var out = new ByteArrayOutputStream();
        DoorLines.answer(in, new PrintStream(out), door);
        return out.toString(StandardCharsets.UTF_8);
    }
}
