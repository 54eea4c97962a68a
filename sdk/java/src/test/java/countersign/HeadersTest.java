package countersign;

import static countersign.CountersignTest.failure;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import countersign.v1.Header;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HeadersTest {
    @Test
    void everyShapeGivesTheSame() {
        var expected = List.of("X-A=1", "X-A=2");
        assertEquals(expected, shown(Headers.toWire(Map.of("X-A", List.of("1", "2")))));
        assertEquals(expected, shown(Headers.toWire(Map.of("X-A", new String[] {"1", "2"}))));
        assertEquals(expected, shown(Headers.toWire(List.of(Map.entry("X-A", "1"), Map.entry("X-A", "2")))));
        assertEquals(
                List.of("X-A=1", "x-a=2"),
                shown(Headers.toWire(List.of(Map.entry("X-A", "1"), Map.entry("x-a", "2")))));
        assertEquals(List.of("X-A=1"), shown(Headers.toWire(Map.of("X-A", "1"))));
    }

    @Test
    void theHeadersOfTheJdksServerAreTaken() throws IOException, InterruptedException {
        var seen = new AtomicReference<List<String>>();
        var server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.createContext("/", exchange -> {
            seen.set(shown(Headers.toWire(exchange.getRequestHeaders())));
            exchange.sendResponseHeaders(204, -1);
        });
        server.start();
        var url = URI.create("http://127.0.0.1:" + server.getAddress().getPort());
        var request = HttpRequest.newBuilder(url).header("X-Signature", "1").header("X-Signature", "2");
        var response = HttpClient.newHttpClient().send(request.build(), BodyHandlers.discarding());
        server.stop(0);
        assertEquals(List.of("X-signature=1", "X-signature=2"), seen.get().subList(0, 2));
        assertEquals(204, response.statusCode());
        assertEquals(
                List.of(),
                Headers.toWire(response.headers().map()).stream()
                        .filter(h -> h.getName().equals("x"))
                        .toList());
    }

    @Test
    void credentialsAndValuesThatAreNoTextStayBehind() {
        var headers = new LinkedHashMap<String, Object>();
        for (var name : List.of("Cookie", "AUTHORIZATION", "proxy-authorization")) {
            headers.put(name, "session=1");
        }
        headers.put("x-broken", List.of("text", "\ud800"));
        headers.put("x-null", null);
        headers.put(null, "HTTP/1.1 200 OK");
        headers.put("x-text", "grün");
        assertEquals(List.of("x-text=grün"), shown(Headers.toWire(headers)));
        assertEquals(
                List.of("AUTHORIZATION=session=1", "x-text=grün"), shown(Headers.toWire(headers, "Authorization")));
    }

    @ParameterizedTest
    @CsvSource({"100, 1", "20, 1000"})
    void overTheLimitsTheHeadersOfTheWebhookAreSentAndNoPartOfAName(int others, int length) {
        var headers = new ArrayList<Map.Entry<String, String>>();
        for (var number = 0; number < others; number++) {
            headers.add(Map.entry("x-hop-" + number, "v".repeat(length)));
        }
        headers.addAll(List.copyOf(headers));
        headers.add(Map.entry("Stripe-Signature", "one"));
        headers.add(Map.entry("Stripe-Signature", "two"));
        var wire = Headers.toWire(headers);

        var bytes = wire.stream()
                .mapToInt(h -> h.getName().length() + h.getValue().length())
                .sum();
        assertTrue(wire.size() <= 64 && bytes <= 8192, wire.size() + " headers, " + bytes + " bytes");
        assertTrue(wire.size() > 2, "what fits of the rest is sent too");
        assertEquals(List.of("Stripe-Signature=one", "Stripe-Signature=two"), shown(wire.subList(0, 2)));
        wire.forEach(header -> assertEquals(
                2,
                wire.stream()
                        .filter(other -> other.getName().equals(header.getName()))
                        .count(),
                header.getName()));
    }

    @Test
    void aHeaderOfTheWebhookIsNeverLeftOut() {
        assertEquals(
                65,
                Headers.toWire(Map.of("stripe-signature", Collections.nCopies(65, "v1=0")))
                        .size());
    }

    @Test
    void aValueThatIsNoTextIsAnErrorThatSaysSo() {
        for (var value : Arrays.asList(1, List.of(1), new byte[] {1})) {
            var error = failure(() -> Headers.toWire(Map.of("x", value)));
            assertEquals("the headers must be texts, or lists or arrays of texts", error.getMessage());
        }
    }

    private static List<String> shown(List<Header> headers) {
        return headers.stream()
                .map(header -> header.getName() + "=" + header.getValue())
                .toList();
    }
}
