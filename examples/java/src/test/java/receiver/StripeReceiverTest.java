package receiver;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.stripe.net.Webhook;
import countersign.Countersign;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.springframework.boot.SpringApplication;
import org.springframework.context.ConfigurableApplicationContext;

class StripeReceiverTest {
    private static final String EVENT = "{\"id\":\"evt_1\",\"type\":\"charge.succeeded\",\"name\":\"Zoë\"}";

    private static ConfigurableApplicationContext app;
    private static String key;

    @BeforeAll
    static void start() {
        app = SpringApplication.run(StripeReceiver.class, "--server.port=0", "--spring.main.banner-mode=off");
        // Stripe and the service share the key; a rotation shows it once.
        key = app.getBean(Countersign.class).rotateSecret("demo/stripe-webhook").revealedKey();
    }

    @AfterAll
    static void stop() {
        app.close();
    }

    @Test
    void anEventThatStripeSignedIsReceived() throws Exception {
        var signature = Webhook.Signature.generateSignatureHeader(EVENT, key);
        var answer = deliver(EVENT, signature).body();
        assertTrue(answer.startsWith("received charge.succeeded evt_1, PT"), answer);
    }

    @Test
    void aForgedEventIsRefused() throws Exception {
        var answer =
                deliver(EVENT.replace("succeeded", "refunded"), Webhook.Signature.generateSignatureHeader(EVENT, key));
        assertEquals(401, answer.statusCode());
        assertEquals("{\"error\":\"webhook_refused\",\"reason\":\"SIGNATURE_MISMATCH\"}", answer.body());
    }

    private static HttpResponse<String> deliver(String body, String signature) throws Exception {
        var url = "http://127.0.0.1:" + app.getEnvironment().getProperty("local.server.port") + "/stripe";
        var request = HttpRequest.newBuilder(URI.create(url))
                .header("Content-Type", "application/json")
                .header("Stripe-Signature", signature)
                .POST(BodyPublishers.ofString(body));
        return HttpClient.newHttpClient().send(request.build(), BodyHandlers.ofString());
    }
}
