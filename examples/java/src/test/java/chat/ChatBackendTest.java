package chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import countersign.Countersign;
import countersign.Identity;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.springframework.boot.SpringApplication;
import org.springframework.context.ConfigurableApplicationContext;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.json.JsonMapper;

class ChatBackendTest {
    private static final Identity ADA =
            new Identity("user-42").withEmail("ada@example.com").withName("Ada");

    private static ConfigurableApplicationContext app;
    private static Countersign countersign;

    @BeforeAll
    static void start() {
        app = SpringApplication.run(ChatBackend.class, "--server.port=0", "--spring.main.banner-mode=off");
        countersign = Countersign.connect();
    }

    @AfterAll
    static void stop() {
        countersign.close();
        app.close();
    }

    @Test
    void thePageGetsAHashThatProvesItsUser() throws Exception {
        var chatwoot = fields("chatwoot");
        assertEquals("user-42", chatwoot.get("identifier"));
        var hash = chatwoot.get("identifier_hash");
        assertTrue(countersign.verifyHash("demo/chatwoot-identity", ADA, hash).isVerified());
        var pylon = fields("pylon");
        assertEquals("ada@example.com", pylon.get("email"));
        assertTrue(countersign
                .verifyHash("demo/pylon-identity", ADA, pylon.get("email_hash"))
                .isVerified());
    }

    @Test
    void thePageGetsATokenThatProvesItsUser() throws Exception {
        var kaltalk = countersign.verifyToken(
                "demo/kaltalk-token", ADA, fields("kaltalk").get("userJwt"));
        assertEquals("user-42", kaltalk.verified().id());
        var talkjs = countersign.verifyToken(
                "demo/talkjs-token", ADA, fields("talkjs").get("token"));
        assertEquals("user-42", talkjs.verified().id());
    }

    private static Map<String, String> fields(String vendor) throws Exception {
        var url = "http://127.0.0.1:" + app.getEnvironment().getProperty("local.server.port") + "/chat/" + vendor;
        var answer = HttpClient.newHttpClient()
                .send(HttpRequest.newBuilder(URI.create(url)).build(), BodyHandlers.ofString());
        assertEquals(200, answer.statusCode());
        return JsonMapper.shared().readValue(answer.body(), new TypeReference<>() {});
    }
}
