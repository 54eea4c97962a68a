package countersign.servlet;

import com.google.protobuf.ByteString;
import countersign.Countersign;
import countersign.CountersignException;
import countersign.Headers;
import countersign.WebhookVerdict;
import countersign.v1.VerifyWebhookRequest;
import jakarta.servlet.Filter;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;

/**
 * Lets genuine deliveries of one secret through, and nothing else. Map it to the path of the webhook, before any filter
 * that reads parameters or the body.
 *
 * <p>The handler reads the body as if nobody had before, as bytes, text or form parameters (parts of a multipart body
 * alone are gone: parse {@link #body}), and asks {@link #verdict} what is proven. A refused delivery is answered 401,
 * one over the limit 413, one with a URL, method or headers that no vendor sends 400, one without a verdict 503 and
 * logged, and a vendor's handshake as the vendor wants.
 */
public final class WebhookFilter implements Filter {
    /** The most bytes of a body, unless set: what the service takes by default. */
    public static final int DEFAULT_LIMIT = 1 << 20;

    private static final System.Logger LOG = System.getLogger(WebhookFilter.class.getName());
    private static final String PASSED = WebhookFilter.class.getName();
    /** The fields of a question that are the sender's, beside the body. */
    private static final Set<String> SENT = Set.of("headers", "method", "url");

    private final Countersign countersign;
    private final String secret;
    private final int limit;
    private final Function<HttpServletRequest, String> url;
    private final String[] credentials;

    /** A delivery that a filter let through. */
    private record Passed(WebhookFilter filter, WebhookVerdict verdict, byte[] body) {}

    /** A filter for the deliveries of a secret. */
    public WebhookFilter(Countersign countersign, String secret) {
        this(countersign, secret, DEFAULT_LIMIT, WebhookFilter::requestUrl, new String[0]);
    }

    private WebhookFilter(
            Countersign countersign,
            String secret,
            int limit,
            Function<HttpServletRequest, String> url,
            String[] credentials) {
        this.countersign = countersign;
        this.secret = secret;
        this.limit = limit;
        this.url = url;
        this.credentials = credentials;
    }

    /** The same for bodies of at most this many bytes. */
    public WebhookFilter withLimit(int bytes) {
        if (bytes < 1 || bytes == Integer.MAX_VALUE) {
            throw new IllegalArgumentException("the limit is a number of bytes from 1 on");
        }
        return new WebhookFilter(countersign, secret, bytes, url, credentials);
    }

    /** The same with the public URL of a request, as registered with the vendor, for those behind a proxy. */
    public WebhookFilter withUrl(Function<HttpServletRequest, String> url) {
        return new WebhookFilter(countersign, secret, limit, url, credentials);
    }

    /** The same with these headers sent to the service too: monday.com has its proof in {@code authorization}. */
    public WebhookFilter withCredentials(String... names) {
        return new WebhookFilter(countersign, secret, limit, url, names.clone());
    }

    /**
     * The verdict on the delivery that this request is.
     *
     * @throws IllegalStateException if no filter let it through
     */
    public static WebhookVerdict verdict(ServletRequest request) {
        return passed(request).verdict;
    }

    /**
     * The bytes that were verified.
     *
     * @throws IllegalStateException if no filter let it through
     */
    public static byte[] body(ServletRequest request) {
        return passed(request).body.clone();
    }

    @Override
    public void doFilter(ServletRequest request, ServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        if (!(request instanceof HttpServletRequest http && response instanceof HttpServletResponse answer)) {
            throw new ServletException("a webhook is an HTTP request");
        }
        // The same request comes again when a handler forwards it or answers later.
        if (request.getAttribute(PASSED) instanceof Passed passed && passed.filter == this) {
            chain.doFilter(new BufferedRequest(http, passed.body), response);
            return;
        }
        var body = http.getContentLengthLong() > limit ? null : read(http);
        if (body == null) {
            tooLarge(answer);
            return;
        }
        WebhookVerdict verdict;
        try {
            verdict = countersign.verifyWebhook(delivery(http, body));
        } catch (CountersignException error) {
            noVerdict(answer, error);
            return;
        }
        if (verdict.handshake() != null) {
            var wanted = verdict.handshake();
            send(answer, wanted.status(), wanted.headers(), wanted.body());
        } else if (verdict.isVerified()) {
            request.setAttribute(PASSED, new Passed(this, verdict, body));
            chain.doFilter(new BufferedRequest(http, body), response);
        } else {
            // The reason is a name of an enum: nothing to escape.
            var reason = verdict.reason() == null ? "null" : "\"" + verdict.reasonCode() + "\"";
            var json = "{\"error\":\"webhook_refused\",\"reason\":" + reason + "}";
            refuse(answer, HttpServletResponse.SC_UNAUTHORIZED, json);
        }
    }

    /** Tells the sender what it did wrong; all else is logged, and the sender is to come again. */
    private void noVerdict(HttpServletResponse answer, CountersignException error) throws IOException {
        var field =
                error.violations().isEmpty() ? "" : error.violations().get(0).field();
        if ("BODY_TOO_LARGE".equals(error.reason())) {
            tooLarge(answer);
        } else if ("FIELD_INVALID".equals(error.reason()) && SENT.contains(field)) {
            var json = "{\"error\":\"webhook_malformed\",\"field\":\"" + field + "\"}";
            refuse(answer, HttpServletResponse.SC_BAD_REQUEST, json);
        } else {
            LOG.log(System.Logger.Level.WARNING, "no verdict on a delivery for {0}: {1}", secret, error.getMessage());
            answer.setHeader("Retry-After", "1");
            refuse(answer, HttpServletResponse.SC_SERVICE_UNAVAILABLE, "{\"error\":\"verification_unavailable\"}");
        }
    }

    /** The body, or null if it is over the limit. */
    private byte[] read(HttpServletRequest request) throws IOException, ServletException {
        var body = request.getInputStream().readNBytes(limit + 1);
        if (body.length < request.getContentLengthLong()) {
            throw new ServletException(
                    "the body was read before WebhookFilter saw it: put this filter before those that parse");
        }
        return body.length > limit ? null : body;
    }

    private VerifyWebhookRequest delivery(HttpServletRequest request, byte[] body) {
        // Each name once, however its case varies: a header that was given once must not look repeated.
        var byName = new TreeMap<String, List<String>>(String.CASE_INSENSITIVE_ORDER);
        Collections.list(request.getHeaderNames()).forEach(name -> byName.put(name, texts(request, name)));
        var headers = byName.entrySet();
        return VerifyWebhookRequest.newBuilder()
                .setSecret(secret)
                .addAllHeaders(Headers.toWire(headers, credentials))
                .setBody(ByteString.copyFrom(body))
                .setMethod(request.getMethod())
                .setUrl(url.apply(request))
                .build();
    }

    private static List<String> texts(HttpServletRequest request, String name) {
        var texts = new ArrayList<String>();
        for (var value : Collections.list(request.getHeaders(name))) {
            var text = utf8(value);
            // Half of a surrogate pair: no text, which has the whole name left out.
            texts.add(text == null ? "\ud800" : text);
        }
        return texts;
    }

    /** Containers hand over each byte of a header as one character. Null where the bytes are no UTF-8. */
    private static String utf8(String value) {
        if (value.chars().anyMatch(c -> c > 0xff)) {
            return value;
        }
        try {
            var bytes = ByteBuffer.wrap(value.getBytes(StandardCharsets.ISO_8859_1));
            return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
        } catch (CharacterCodingException error) {
            return null;
        }
    }

    private static String requestUrl(HttpServletRequest request) {
        var query = request.getQueryString();
        return request.getRequestURL() + (query == null ? "" : "?" + query);
    }

    private static Passed passed(ServletRequest request) {
        if (request.getAttribute(PASSED) instanceof Passed passed) {
            return passed;
        }
        throw new IllegalStateException("no WebhookFilter let this request through: map one to its path");
    }

    private static void tooLarge(HttpServletResponse response) throws IOException {
        refuse(response, HttpServletResponse.SC_REQUEST_ENTITY_TOO_LARGE, "{\"error\":\"body_too_large\"}");
    }

    private static void refuse(HttpServletResponse response, int status, String json) throws IOException {
        var headers = List.of(Map.entry("Content-Type", "application/json"));
        send(response, status, headers, ByteString.copyFromUtf8(json));
    }

    private static void send(
            HttpServletResponse response, int status, List<Map.Entry<String, String>> headers, ByteString body)
            throws IOException {
        response.setStatus(status);
        headers.forEach(header -> response.addHeader(header.getKey(), header.getValue()));
        response.setContentLength(body.size());
        body.writeTo(response.getOutputStream());
    }
}
