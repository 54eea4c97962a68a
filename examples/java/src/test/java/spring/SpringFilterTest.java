package spring;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.protobuf.ByteString;
import com.svix.Webhook;
import countersign.Countersign;
import countersign.NewVersion;
import countersign.servlet.WebhookFilter;
import countersign.v1.CreateSecretRequest;
import countersign.v1.Header;
import countersign.v1.SignRequest;
import countersign.v1.WebhookToSign;
import jakarta.servlet.http.HttpServletRequest;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.web.servlet.FilterRegistrationBean;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.http.HttpHeaders;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;

/** The filter in a Spring Boot application with all its own filters, in a Tomcat. */
class SpringFilterTest {
    private static final String EVENT = "{\"name\":\"Zoë ☃ \\u00e9\"}";
    private static final String FORM = "application/x-www-form-urlencoded";
    private static final Countersign COUNTERSIGN = Countersign.connect();
    private static final Countersign NOBODY =
            Countersign.builder().server("http://127.0.0.1:1").build();
    private static final NewVersion SVIX = secret("svix.webhook");
    private static final NewVersion TWILIO = secret("twilio.webhook");

    private static ConfigurableApplicationContext app;

    @BeforeAll
    static void start() {
        app = SpringApplication.run(App.class, "--server.port=0", "--spring.main.banner-mode=off");
    }

    @AfterAll
    static void stop() {
        app.close();
        COUNTERSIGN.close();
        NOBODY.close();
    }

    @Test
    void aDeliverySignedBySvixPassesByteForByte() throws Exception {
        assertEquals(EVENT, text(post("/svix/bytes", BodyPublishers.ofString(EVENT), svixHeaders(EVENT))));
        assertEquals(EVENT, text(post("/svix/text", BodyPublishers.ofString(EVENT), svixHeaders(EVENT))));
        var tampered = post("/svix/bytes", BodyPublishers.ofString(EVENT + " "), svixHeaders(EVENT));
        assertEquals(401, tampered.statusCode());
        assertEquals("{\"error\":\"webhook_refused\",\"reason\":\"SIGNATURE_MISMATCH\"}", text(tampered));
    }

    @Test
    void chunkedAndLargeBodiesPassByteForByte() throws Exception {
        var large = "{\"text\":\"" + "☃".repeat(340_000) + "\"}";
        var chunks =
                BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(large.getBytes(StandardCharsets.UTF_8)));
        assertEquals(large, text(post("/svix/bytes", chunks, svixHeaders(large))));

        var noise = new byte[1 << 20];
        new Random(7).nextBytes(noise);
        var headers = new ArrayList<>(
                COUNTERSIGN.signWebhook("demo/github-webhook", noise).headers());
        headers.add(Map.entry("Content-Type", "application/octet-stream"));
        assertArrayEquals(
                noise,
                post("/github/bytes", BodyPublishers.ofByteArray(noise), headers)
                        .body());
        var more = BodyPublishers.ofByteArray(new byte[(1 << 20) + 1]);
        assertEquals(413, post("/github/bytes", more, headers).statusCode());
    }

    @Test
    void theParametersAndTheBytesOfAFormAreStillThere() throws Exception {
        var body = "b=2&name=Zo%c3%ab+S&a=1";
        assertEquals("Zoë S 1", text(post("/twilio/form", BodyPublishers.ofString(body), twilioHeaders(body))));
        // Spring makes the @RequestBody of a form anew from its parameters; the verified bytes are with the filter.
        assertEquals(body, text(post("/twilio/raw", BodyPublishers.ofString(body), twilioHeaders(body))));
    }

    @Test
    void anOutageIsAnswered503() throws Exception {
        var answer = post("/outage/bytes", BodyPublishers.ofString(EVENT), svixHeaders(EVENT));
        assertEquals(503, answer.statusCode());
        assertEquals("1", answer.headers().firstValue("Retry-After").orElseThrow());
        assertEquals("{\"error\":\"verification_unavailable\"}", text(answer));
    }

    @Test
    void aControllerMayAskWithoutTheFilter() throws Exception {
        assertEquals("true", text(post("/controller", BodyPublishers.ofString(EVENT), svixHeaders(EVENT))));
        assertEquals("false", text(post("/controller", BodyPublishers.ofString(EVENT + " "), svixHeaders(EVENT))));
    }

    private static NewVersion secret(String scheme) {
        return COUNTERSIGN.createSecret(CreateSecretRequest.newBuilder()
                .setName("demo/spring-" + UUID.randomUUID())
                .setScheme(scheme)
                .build());
    }

    private static List<Map.Entry<String, String>> svixHeaders(String body) throws Exception {
        var now = Instant.now().getEpochSecond();
        var id = "msg_" + UUID.randomUUID();
        return List.of(
                Map.entry("svix-id", id),
                Map.entry("svix-timestamp", String.valueOf(now)),
                Map.entry("svix-signature", new Webhook(SVIX.revealedKey()).sign(id, now, body)),
                Map.entry("Content-Type", "application/json"));
    }

    private static List<Map.Entry<String, String>> twilioHeaders(String body) {
        var delivery = WebhookToSign.newBuilder()
                .setBody(ByteString.copyFromUtf8(body))
                .setUrl("https://hooks.example.com/twilio")
                .addHeaders(Header.newBuilder().setName("Content-Type").setValue(FORM));
        var headers = new ArrayList<>(COUNTERSIGN
                .sign(SignRequest.newBuilder()
                        .setSecret(TWILIO.secret().getName())
                        .setWebhook(delivery)
                        .build())
                .headers());
        headers.add(Map.entry("Content-Type", FORM));
        return headers;
    }

    private static HttpResponse<byte[]> post(String path, BodyPublisher body, List<Map.Entry<String, String>> headers)
            throws IOException, InterruptedException {
        var url = "http://127.0.0.1:" + app.getEnvironment().getProperty("local.server.port") + path;
        var request = HttpRequest.newBuilder(URI.create(url)).POST(body);
        headers.forEach(header -> request.header(header.getKey(), header.getValue()));
        return HttpClient.newHttpClient().send(request.build(), BodyHandlers.ofByteArray());
    }

    private static String text(HttpResponse<byte[]> answer) {
        return new String(answer.body(), StandardCharsets.UTF_8);
    }

    @SpringBootApplication
    @RestController
    static class App {
        @Bean
        FilterRegistrationBean<WebhookFilter> svix() {
            return at("/svix/*", new WebhookFilter(COUNTERSIGN, SVIX.secret().getName()));
        }

        @Bean
        FilterRegistrationBean<WebhookFilter> twilio() {
            var filter = new WebhookFilter(COUNTERSIGN, TWILIO.secret().getName());
            return at("/twilio/*", filter.withUrl(request -> "https://hooks.example.com/twilio"));
        }

        @Bean
        FilterRegistrationBean<WebhookFilter> github() {
            return at("/github/*", new WebhookFilter(COUNTERSIGN, "demo/github-webhook"));
        }

        @Bean
        FilterRegistrationBean<WebhookFilter> outage() {
            return at("/outage/*", new WebhookFilter(NOBODY, "demo/stripe-webhook"));
        }

        @PostMapping("/{vendor}/bytes")
        byte[] bytes(@RequestBody byte[] body, HttpServletRequest request) {
            WebhookFilter.verdict(request);
            return body;
        }

        @PostMapping(path = "/svix/text", produces = "text/plain;charset=UTF-8")
        String text(@RequestBody String body) {
            return body;
        }

        @PostMapping(path = "/twilio/form", produces = "text/plain;charset=UTF-8")
        String form(@RequestParam String name, @RequestParam int a) {
            return name + " " + a;
        }

        @PostMapping("/twilio/raw")
        byte[] raw(HttpServletRequest request) {
            return WebhookFilter.body(request);
        }

        @PostMapping("/controller")
        String ask(@RequestHeader HttpHeaders headers, @RequestBody byte[] body) {
            var verdict = COUNTERSIGN.verifyWebhook(SVIX.secret().getName(), headers.headerSet(), body);
            return String.valueOf(verdict.isVerified());
        }

        private static FilterRegistrationBean<WebhookFilter> at(String path, WebhookFilter filter) {
            var registration = new FilterRegistrationBean<>(filter);
            registration.addUrlPatterns(path);
            return registration;
        }
    }
}
