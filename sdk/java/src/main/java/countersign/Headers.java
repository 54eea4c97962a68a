package countersign;

import countersign.v1.Header;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * The headers of a received request, as the service takes them: from a map or pairs of a name and a text, or a list or
 * array of texts. So from servlets, Spring, JAX-RS, Netty, {@code java.net.http}, {@code com.sun.net.httpserver} and
 * the events of a cloud's functions. A map of names to single texts has lost what was repeated: take the one of lists.
 *
 * <p>A repeated header stays repeated, in order: a scheme may refuse it for that. Credentials ({@code cookie},
 * {@code authorization}, {@code proxy-authorization}) are left out, and names with a value that UTF-8 cannot
 * carry.
 *
 * <p>A delivery that came through many proxies may have more than the 64 headers or 8 KiB that the service takes. Then
 * all that look like those of a webhook by their name are sent, and of the others those that still fit: all of one
 * name or none, so that leaving some out never hides a header that was given twice.
 */
public final class Headers {
    private static final int MAX_HEADERS = 64;
    private static final int MAX_BYTES = 8 * 1024;
    private static final List<String> CREDENTIALS = List.of("cookie", "authorization", "proxy-authorization");
    /** What the names of headers that vendors sign with have in common. */
    private static final List<String> WEBHOOK_NAMES = List.of(
            "signature",
            "timestamp",
            "hook",
            "svix",
            "hmac",
            "delivery",
            "event",
            "-id",
            "token",
            "verification",
            "content-type");

    private Headers() {}

    /**
     * The headers to put into a request of your own.
     *
     * @param credentials those to send all the same: monday.com has its proof in {@code authorization}
     */
    public static List<Header> toWire(Map<String, ?> headers, String... credentials) {
        return toWire(headers.entrySet(), credentials);
    }

    /** As {@link #toWire(Map, String...)}, of pairs. */
    public static List<Header> toWire(Iterable<? extends Map.Entry<String, ?>> headers, String... credentials) {
        var leftOut = new TreeSet<>(String.CASE_INSENSITIVE_ORDER);
        leftOut.addAll(CREDENTIALS);
        List.of(credentials).forEach(leftOut::remove);
        var groups = new LinkedHashMap<String, List<Header>>();
        for (var entry : headers) {
            // HttpURLConnection names the status line null.
            if (entry.getKey() == null || leftOut.contains(entry.getKey())) {
                continue;
            }
            var key = entry.getKey().toLowerCase(Locale.ROOT);
            var group = groups.computeIfAbsent(key, name -> new ArrayList<>());
            texts(entry.getValue()).forEach(text -> {
                if (StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
                    group.add(header(entry.getKey(), text));
                } else {
                    leftOut.add(key);
                }
            });
        }
        groups.keySet().removeAll(leftOut);
        return withinLimits(groups);
    }

    private static List<Header> withinLimits(Map<String, List<Header>> groups) {
        var sent = new ArrayList<Header>();
        groups.forEach((name, group) -> {
            if (looksLikeWebhook(name)) {
                sent.addAll(group);
            }
        });
        var bytes = size(sent);
        for (var group : groups.entrySet()) {
            var more = group.getValue();
            var fits = sent.size() + more.size() <= MAX_HEADERS && bytes + size(more) <= MAX_BYTES;
            if (fits && !looksLikeWebhook(group.getKey())) {
                bytes += size(more);
                sent.addAll(more);
            }
        }
        return sent;
    }

    private static boolean looksLikeWebhook(String name) {
        return WEBHOOK_NAMES.stream().anyMatch(name::contains);
    }

    private static int size(List<Header> headers) {
        return headers.stream()
                .mapToInt(header ->
                        header.getNameBytes().size() + header.getValueBytes().size())
                .sum();
    }

    private static Header header(String name, String value) {
        return Header.newBuilder().setName(name).setValue(value).build();
    }

    private static Stream<String> texts(Object value) {
        if (value == null) {
            return Stream.empty();
        } else if (value instanceof String text) {
            return Stream.of(text);
        } else if (value instanceof Object[] values) {
            return Arrays.stream(values).flatMap(Headers::texts);
        } else if (value instanceof Iterable<?> values) {
            return StreamSupport.stream(values.spliterator(), false).flatMap(Headers::texts);
        }
        throw CountersignException.invalid("headers", "must be texts, or lists or arrays of texts");
    }
}
