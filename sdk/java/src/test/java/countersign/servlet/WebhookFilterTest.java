package countersign.servlet;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import com.stripe.net.Webhook;
import countersign.Countersign;
import countersign.NewVersion;
import countersign.Testbed;
import countersign.v1.CountersignServiceGrpc.CountersignServiceImplBase;
import countersign.v1.Decision;
import countersign.v1.Header;
import countersign.v1.SignRequest;
import countersign.v1.VerifyWebhookRequest;
import countersign.v1.VerifyWebhookResponse;
import countersign.v1.WebhookToSign;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.stub.StreamObserver;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.Filter;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.Socket;
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
import java.util.Collection;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;
import java.util.stream.Collectors;
import org.eclipse.jetty.ee10.servlet.FilterHolder;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** In a Jetty, before the server of the testbed, with deliveries that the vendors' own libraries signed. */
class WebhookFilterTest {
    private static final String EVENT = "{\"id\":\"evt_1\",\"object\":\"event\",\"name\":\"Zoë ☃ \\u00e9\"}";
    private static final String FORM = "application/x-www-form-urlencoded";
    private static final String TWILIO_URL = "https://hooks.example.com/twilio?a=1";
    private static final HttpClient HTTP = HttpClient.newHttpClient();
    private static final AtomicInteger HANDLED = new AtomicInteger();
    private static final Logger LOGGER = Logger.getLogger(WebhookFilter.class.getName());
    private static final List<String> LOGGED = Collections.synchronizedList(new ArrayList<>());

    private static Server jetty;
    private static String base;
    private static Countersign countersign;
    private static Countersign nobody;
    private static NewVersion stripe;
    private static NewVersion svix;
    private static NewVersion twilio;
    private static NewVersion monday;

    @BeforeAll
    static void start() throws Exception {
        LOGGER.setUseParentHandlers(false);
        // A filter of the log sees every entry.
        LOGGER.setFilter(entry -> LOGGED.add(new SimpleFormatter().format(entry)));
        countersign = Testbed.open();
        nobody = Countersign.builder().server("http://127.0.0.1:1").build();
        stripe = Testbed.secret(countersign, "stripe.webhook");
        svix = Testbed.secret(countersign, "svix.webhook");
        twilio = Testbed.secret(countersign, "twilio.webhook");
        monday = Testbed.secret(countersign, "monday.webhook");

        var app = new ServletContextHandler("/");
        var stripeFilter = new WebhookFilter(countersign, stripe.secret().getName());
        add(app, "/stripe/*", stripeFilter);
        add(app, "/small/*", stripeFilter.withLimit(20));
        add(app, "/svix/*", new WebhookFilter(countersign, svix.secret().getName()));
        add(app, "/twilio/*", new WebhookFilter(countersign, twilio.secret().getName()).withUrl(r -> TWILIO_URL));
        add(
                app,
                "/monday/*",
                new WebhookFilter(countersign, monday.secret().getName()).withCredentials("authorization"));
        add(
                app,
                "/monday-without/*",
                new WebhookFilter(countersign, monday.secret().getName()));
        add(app, "/slack/*", new WebhookFilter(countersign, "demo/slack-webhook"));
        add(app, "/github/*", new WebhookFilter(countersign, "demo/github-webhook"));
        add(app, "/outage/*", new WebhookFilter(nobody, "demo/stripe-webhook"));
        add(app, "/unknown/*", new WebhookFilter(countersign, "demo/unknown"));
        add(app, "/long/*", stripeFilter.withUrl(request -> "https://a.example/" + "a".repeat(8192)));
        Filter parser = (request, response, chain) -> {
            request.getParameter("x");
            chain.doFilter(request, response);
        };
        add(app, "/late/*", parser);
        add(app, "/late/*", stripeFilter);
        app.addServlet(new ServletHolder(new Echo()), "/*");
        jetty = new Server();
        var connector = new ServerConnector(jetty);
        connector.setHost("127.0.0.1");
        jetty.addConnector(connector);
        jetty.setHandler(app);
        jetty.start();
        base = "http://127.0.0.1:" + connector.getLocalPort();
    }

    @AfterAll
    static void stop() throws Exception {
        jetty.stop();
        countersign.close();
        nobody.close();
    }

    @BeforeEach
    void forget() {
        HANDLED.set(0);
    }

    @Test
    void aDeliverySignedByStripeJavaPassesAndItsBodyIsStillThere() throws Exception {
        var answer = post("/stripe/bytes", EVENT, stripeHeaders(EVENT));
        assertEquals(200, answer.statusCode());
        assertEquals(EVENT, text(answer));
        assertEquals(
                "PROVEN_PART_BODY PROVEN_PART_TIMESTAMP",
                answer.headers().firstValue("Proven").orElseThrow());
        assertEquals(EVENT, text(post("/stripe/reader", EVENT, stripeHeaders(EVENT))));
        assertEquals(EVENT, text(post("/stripe/body", EVENT, stripeHeaders(EVENT))));
    }

    @Test
    void aDeliverySignedBySvixPassesAndNobodyElseDoes() throws Exception {
        var signer = new com.svix.Webhook(svix.revealedKey());
        var now = Instant.now().getEpochSecond();
        var headers = Map.of(
                "svix-id", "msg_1",
                "svix-timestamp", String.valueOf(now),
                "svix-signature", signer.sign("msg_1", now, EVENT));
        assertEquals(EVENT, text(post("/svix/bytes", EVENT, headers)));
        assertRefused("SIGNATURE_MISMATCH", post("/svix/bytes", EVENT + " ", headers));
    }

    @Test
    void aTamperedDeliveryNeverReachesTheHandler() throws Exception {
        var headers = stripeHeaders(EVENT);
        assertRefused("SIGNATURE_MISMATCH", post("/stripe/bytes", EVENT.replace("evt_1", "evt_2"), headers));
        assertRefused("SIGNATURE_MISMATCH", post("/stripe/bytes", EVENT + "\n", headers));
        assertRefused("SIGNATURE_MISMATCH", post("/stripe/bytes", EVENT.replace(":", ": "), headers));
        assertRefused("HEADER_MISSING", post("/stripe/bytes", EVENT, Map.of()));
        assertEquals(0, HANDLED.get());
    }

    @Test
    void chunkedAndLargeBodiesPassByteForByte() throws Exception {
        var large = "{\"text\":\"" + "☃".repeat(340_000) + "\"}";
        var publisher =
                BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(large.getBytes(StandardCharsets.UTF_8)));
        var answer = send("/stripe/bytes", publisher, stripeHeaders(large));
        assertEquals(200, answer.statusCode());
        assertEquals(large, text(answer));

        var noise = new byte[1 << 20];
        new Random(7).nextBytes(noise);
        var signed = countersign.signWebhook("demo/github-webhook", noise).headers();
        var headers = signed.stream().collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue));
        assertArrayEquals(
                noise,
                send("/github/bytes", BodyPublishers.ofByteArray(noise), headers)
                        .body());
        var chunked = BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(noise));
        assertArrayEquals(noise, send("/github/bytes", chunked, headers).body());
    }

    @Test
    void aBodyOverTheLimitIsAnswered413() throws Exception {
        var body = "x".repeat(21);
        var chunked =
                BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body.getBytes(StandardCharsets.UTF_8)));
        assertEquals(413, post("/small/bytes", body, stripeHeaders(body)).statusCode());
        assertEquals(413, send("/small/bytes", chunked, stripeHeaders(body)).statusCode());
        assertEquals(0, HANDLED.get());
        assertEquals(
                200,
                post("/small/bytes", "x".repeat(20), stripeHeaders("x".repeat(20)))
                        .statusCode());
        assertEquals("HTTP/1.1 413 Payload Too Large", announced("/stripe/bytes", (1 << 20) + 1));
    }

    /** The status line for a sender that waits with a body of this length; one that sends it all may be cut off before. */
    private static String announced(String path, int length) throws IOException {
        var at = URI.create(base);
        try (var socket = new Socket(at.getHost(), at.getPort())) {
            var head = "POST " + path + " HTTP/1.1\r\nHost: a\r\nContent-Length: " + length + "\r\n\r\n";
            socket.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
            var answer = new InputStreamReader(socket.getInputStream(), StandardCharsets.US_ASCII);
            return new BufferedReader(answer).readLine();
        }
    }

    @Test
    void theParametersOfAFormAreStillThere() throws Exception {
        var body = "name=Zo%C3%AB+S&x=1&x=2&empty=&b";
        var headers = twilioHeaders(body);
        var answer = post("/twilio/form?x=0&q=a%26b", body, headers);
        assertEquals("{b=[], empty=[], name=[Zoë S], q=[a&b], x=[0, 1, 2]} Zoë S", text(answer));
        assertEquals(body, text(post("/twilio/bytes", body, headers)));
        assertRefused("SIGNATURE_MISMATCH", post("/twilio/form", body.replace("Zo", "Za"), headers));
    }

    @Test
    void anOutageIsAnswered503AndLoggedWithoutTheDelivery() throws Exception {
        LOGGED.clear();
        for (var path : List.of("/outage/bytes", "/unknown/bytes")) {
            var answer = post(path, EVENT, stripeHeaders(EVENT));
            assertEquals(503, answer.statusCode());
            assertEquals("1", answer.headers().firstValue("Retry-After").orElseThrow());
            assertEquals("{\"error\":\"verification_unavailable\"}", text(answer));
        }
        assertEquals(2, LOGGED.size());
        assertTrue(LOGGED.get(0).contains("UNAVAILABLE") && LOGGED.get(1).contains("SECRET_NOT_FOUND"), LOGGED + "");
        assertFalse(LOGGED.toString().contains("evt_1") || LOGGED.toString().contains("v1="), LOGGED + "");
        assertEquals(0, HANDLED.get());
    }

    @Test
    void whatNoVendorSendsIsTheSendersFaultAndNoOutage() throws Exception {
        LOGGED.clear();
        var answer = post("/long/bytes", EVENT, stripeHeaders(EVENT));
        assertEquals(400, answer.statusCode());
        assertEquals("{\"error\":\"webhook_malformed\",\"field\":\"url\"}", text(answer));
        assertTrue(answer.headers().firstValue("Retry-After").isEmpty());
        assertEquals(List.of(), LOGGED);
        assertEquals(0, HANDLED.get());
    }

    @Test
    void aHandshakeIsAnsweredAndNoEvent() throws Exception {
        var body = "{\"type\":\"url_verification\",\"challenge\":\"abc\"}";
        var signed = countersign
                .signWebhook("demo/slack-webhook", body.getBytes(StandardCharsets.UTF_8))
                .headers();
        var headers = signed.stream().collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue));
        var answer = post("/slack/bytes", body, headers);
        assertEquals(200, answer.statusCode());
        assertTrue(text(answer).contains("abc"), text(answer));
        assertEquals(0, HANDLED.get());
    }

    @Test
    void authorizationIsSentWhereItIsAskedFor() throws Exception {
        var body = "{\"event\":{}}";
        var signed = countersign.signWebhook(monday.secret().getName(), body.getBytes(StandardCharsets.UTF_8));
        var headers = signed.headers().stream().collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue));
        assertEquals(200, post("/monday/bytes", body, headers).statusCode());
        assertRefused("HEADER_MISSING", post("/monday-without/bytes", body, headers));
    }

    @Test
    void aForwardedOrLaterDispatchedRequestIsTheSameDelivery() throws Exception {
        assertEquals(EVENT, text(post("/stripe/forward", EVENT, stripeHeaders(EVENT))));
        assertEquals(EVENT, text(post("/stripe/later", EVENT, stripeHeaders(EVENT))));
        assertEquals(EVENT, text(post("/stripe/listener", EVENT, stripeHeaders(EVENT))));
    }

    @Test
    void aBodyThatWasParsedBeforeIsAnErrorAndNoVerdict() throws Exception {
        var headers = Map.of("Stripe-Signature", stripeHeaders("x=1").get("Stripe-Signature"), "Content-Type", FORM);
        var answer = post("/late/bytes", "x=1", headers);
        assertEquals(500, answer.statusCode());
        assertTrue(text(answer).contains("put this filter before those that parse"));
        assertEquals(0, HANDLED.get());
    }

    @Test
    void aRequestThatPassedNoFilterHasNoVerdict() throws Exception {
        var answer = post("/elsewhere/bytes", EVENT, Map.of());
        assertEquals(500, answer.statusCode());
        assertTrue(text(answer).contains("no WebhookFilter let this request through"));
        assertThrows(IllegalArgumentException.class, () -> new WebhookFilter(countersign, "demo/x").withLimit(0));
    }

    @Test
    void theServiceIsAskedWithMethodUrlAndHeadersAsTheyCame() throws Exception {
        var asked = new AtomicReference<VerifyWebhookRequest>();
        var service = new CountersignServiceImplBase() {
            @Override
            public void verifyWebhook(VerifyWebhookRequest request, StreamObserver<VerifyWebhookResponse> answer) {
                asked.set(request);
                answer.onNext(VerifyWebhookResponse.newBuilder()
                        .setDecision(Decision.DECISION_ALLOW)
                        .build());
                answer.onCompleted();
            }
        };
        var server = Grpc.newServerBuilderForPort(0, InsecureServerCredentials.create())
                .addService(service)
                .build()
                .start();
        var app = new ServletContextHandler("/");
        var web = new Server(0);
        try (var client = Countersign.builder()
                .server("http://127.0.0.1:" + server.getPort())
                .build()) {
            add(app, "/*", new WebhookFilter(client, "demo/x"));
            app.addServlet(new ServletHolder(new Echo()), "/*");
            web.setHandler(app);
            web.start();
            var request =
                    "PUT /a%20b/bytes?c=%C3%A9 HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\nContent-Length: 2\r\n"
                            + "X-Signature: 1\r\nX-Text: gr\u00c3\u00bcn\r\nx-signature: 2\r\nX-Broken: \u00ff\r\n"
                            + "X-Half: 1\r\nx-half: \u00ff\r\nCookie: c\r\n\r\n"
                            + "\u00ff\u0000";
            try (var socket = new Socket("127.0.0.1", ((ServerConnector) web.getConnectors()[0]).getLocalPort())) {
                socket.getOutputStream().write(request.getBytes(StandardCharsets.ISO_8859_1));
                var answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
                assertTrue(answer.startsWith("HTTP/1.1 200"), answer);
            }
        } finally {
            web.stop();
            server.shutdownNow();
        }
        assertEquals("PUT", asked.get().getMethod());
        assertEquals("http://h:1/a%20b/bytes?c=%C3%A9", asked.get().getUrl());
        assertEquals(
                ByteString.copyFrom(new byte[] {(byte) 0xff, 0}), asked.get().getBody());
        var headers = asked.get().getHeadersList().stream()
                .map(header -> header.getName().toLowerCase() + "=" + header.getValue())
                .toList();
        assertEquals(
                List.of(
                        "x-signature=1",
                        "x-signature=2",
                        "connection=close",
                        "content-length=2",
                        "host=h:1",
                        "x-text=grün"),
                headers);
    }

    private static void add(ServletContextHandler app, String path, Filter filter) {
        var holder = new FilterHolder(filter);
        holder.setAsyncSupported(true);
        app.addFilter(holder, path, EnumSet.of(DispatcherType.REQUEST, DispatcherType.FORWARD, DispatcherType.ASYNC));
    }

    private static Map<String, String> stripeHeaders(String body) throws Exception {
        return Map.of("Stripe-Signature", Webhook.Signature.generateSignatureHeader(body, stripe.revealedKey()));
    }

    private static Map<String, String> twilioHeaders(String body) {
        var delivery = WebhookToSign.newBuilder()
                .setBody(ByteString.copyFromUtf8(body))
                .setUrl(TWILIO_URL)
                .addHeaders(Header.newBuilder().setName("Content-Type").setValue(FORM));
        var signed = countersign.sign(SignRequest.newBuilder()
                .setSecret(twilio.secret().getName())
                .setWebhook(delivery)
                .build());
        var headers = signed.headers().stream().collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue));
        headers.put("Content-Type", FORM);
        return headers;
    }

    private static void assertRefused(String reason, HttpResponse<byte[]> answer) {
        assertEquals(401, answer.statusCode());
        assertEquals("{\"error\":\"webhook_refused\",\"reason\":\"" + reason + "\"}", text(answer));
        assertEquals(
                "application/json", answer.headers().firstValue("Content-Type").orElseThrow());
    }

    private static HttpResponse<byte[]> post(String path, String body, Map<String, String> headers) throws Exception {
        return send(path, BodyPublishers.ofString(body), headers);
    }

    private static HttpResponse<byte[]> send(String path, BodyPublisher body, Map<String, String> headers)
            throws Exception {
        var request = HttpRequest.newBuilder(URI.create(base + path)).POST(body);
        headers.forEach(request::header);
        return HTTP.send(request.build(), BodyHandlers.ofByteArray());
    }

    private static String text(HttpResponse<byte[]> answer) {
        return new String(answer.body(), StandardCharsets.UTF_8);
    }

    /** A handler that answers what it reads, in the way that the end of its path names. */
    private static final class Echo extends HttpServlet {
        private static final long serialVersionUID = 1;

        @Override
        protected void service(HttpServletRequest request, HttpServletResponse response)
                throws IOException, ServletException {
            var path = request.getRequestURI();
            if (path.endsWith("/forward") && request.getDispatcherType() == DispatcherType.REQUEST) {
                request.getRequestDispatcher("/stripe/bytes").forward(request, response);
                return;
            } else if (path.endsWith("/later") && request.getDispatcherType() == DispatcherType.REQUEST) {
                request.startAsync().dispatch("/stripe/bytes");
                return;
            } else if (path.endsWith("/listener")) {
                listen(request, response);
                return;
            }
            var body = read(path.substring(path.lastIndexOf('/')), request);
            response.setHeader("Proven", join(WebhookFilter.verdict(request).proven()));
            response.getOutputStream().write(body);
            HANDLED.incrementAndGet();
        }

        private static byte[] read(String how, HttpServletRequest request) throws IOException {
            return switch (how) {
                case "/reader" ->
                    request.getReader()
                            .lines()
                            .collect(Collectors.joining("\n"))
                            .getBytes(StandardCharsets.UTF_8);
                case "/body" -> WebhookFilter.body(request);
                case "/form" -> form(request).getBytes(StandardCharsets.UTF_8);
                default -> request.getInputStream().readAllBytes();
            };
        }

        private static String form(HttpServletRequest request) {
            var all = Collections.list(request.getParameterNames()).stream()
                    .sorted()
                    .map(name -> name + "=" + List.of(request.getParameterValues(name)))
                    .collect(Collectors.joining(", ", "{", "}"));
            return all + " " + request.getParameter("name");
        }

        private static void listen(HttpServletRequest request, HttpServletResponse response) throws IOException {
            var later = request.startAsync(request, response);
            var input = request.getInputStream();
            input.setReadListener(new jakarta.servlet.ReadListener() {
                @Override
                public void onDataAvailable() throws IOException {
                    while (input.isReady() && !input.isFinished()) {
                        response.getOutputStream().write(input.read());
                    }
                }

                @Override
                public void onAllDataRead() {
                    later.complete();
                }

                @Override
                public void onError(Throwable error) {
                    throw new IllegalStateException(error);
                }
            });
        }

        private static String join(Collection<?> parts) {
            return parts.stream().map(Object::toString).collect(Collectors.joining(" "));
        }
    }
}
