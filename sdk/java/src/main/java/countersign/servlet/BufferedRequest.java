package countersign.servlet;

import jakarta.servlet.ReadListener;
import jakarta.servlet.ServletInputStream;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletRequestWrapper;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UnsupportedEncodingException;
import java.net.URLDecoder;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collections;
import java.util.Enumeration;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/** A request whose body was read already and is read from memory, also for the parameters of a form. */
final class BufferedRequest extends HttpServletRequestWrapper {
    private final ServletInputStream stream;
    private final byte[] body;
    private BufferedReader reader;
    private Map<String, String[]> parameters;

    BufferedRequest(HttpServletRequest request, byte[] body) {
        super(request);
        this.body = body;
        stream = new BufferedStream(body);
    }

    @Override
    public ServletInputStream getInputStream() {
        return stream;
    }

    @Override
    public BufferedReader getReader() throws UnsupportedEncodingException {
        if (reader == null) {
            reader = new BufferedReader(new InputStreamReader(stream, charset()));
        }
        return reader;
    }

    @Override
    public String getParameter(String name) {
        var values = getParameterMap().get(name);
        return values == null ? null : values[0];
    }

    @Override
    public Map<String, String[]> getParameterMap() {
        if (parameters == null) {
            var all = new LinkedHashMap<>(super.getParameterMap());
            if (isForm()) {
                addForm(all);
            }
            parameters = Collections.unmodifiableMap(all);
        }
        return parameters;
    }

    @Override
    public Enumeration<String> getParameterNames() {
        return Collections.enumeration(getParameterMap().keySet());
    }

    @Override
    public String[] getParameterValues(String name) {
        var values = getParameterMap().get(name);
        return values == null ? null : values.clone();
    }

    private boolean isForm() {
        var type = getContentType();
        return getMethod().equals("POST")
                && type != null
                && type.split(";")[0].trim().toLowerCase(Locale.ROOT).equals("application/x-www-form-urlencoded");
    }

    private void addForm(Map<String, String[]> all) {
        try {
            var charset = charset();
            for (var pair : new String(body, charset).split("&")) {
                var equals = pair.indexOf('=');
                var name = decoded(equals < 0 ? pair : pair.substring(0, equals), charset);
                var value = decoded(equals < 0 ? "" : pair.substring(equals + 1), charset);
                if (!pair.isEmpty()) {
                    all.merge(name, new String[] {value}, BufferedRequest::joined);
                }
            }
        } catch (UnsupportedEncodingException | IllegalArgumentException error) {
            throw new IllegalStateException("the body is no form", error);
        }
    }

    private static String decoded(String text, Charset charset) {
        return URLDecoder.decode(text, charset);
    }

    private static String[] joined(String[] first, String[] second) {
        return Stream.concat(Arrays.stream(first), Arrays.stream(second)).toArray(String[]::new);
    }

    private Charset charset() throws UnsupportedEncodingException {
        var name = getCharacterEncoding();
        try {
            return name == null ? StandardCharsets.UTF_8 : Charset.forName(name);
        } catch (IllegalArgumentException error) {
            throw new UnsupportedEncodingException(name);
        }
    }

    private static final class BufferedStream extends ServletInputStream {
        private final ByteArrayInputStream bytes;

        BufferedStream(byte[] body) {
            bytes = new ByteArrayInputStream(body);
        }

        @Override
        public int read() {
            return bytes.read();
        }

        @Override
        public int read(byte[] into, int offset, int length) {
            return bytes.read(into, offset, length);
        }

        @Override
        public int available() {
            return bytes.available();
        }

        @Override
        public boolean isFinished() {
            return bytes.available() == 0;
        }

        @Override
        public boolean isReady() {
            return true;
        }

        @Override
        public void setReadListener(ReadListener listener) {
            try {
                if (!isFinished()) {
                    listener.onDataAvailable();
                }
                if (isFinished()) {
                    listener.onAllDataRead();
                }
            } catch (IOException error) {
                listener.onError(error);
            }
        }
    }
}
