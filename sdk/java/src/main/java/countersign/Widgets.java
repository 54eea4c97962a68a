package countersign;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What each vendor's chat widget wants to be told of a user, from the file that all SDKs share. */
final class Widgets {
    private static final Pattern PLACEHOLDER = Pattern.compile("\\{(id|email|name|hash|token)}");
    private static final JsonObject SCHEMES = read();

    private Widgets() {}

    static Map<String, Object> fields(String scheme, Identity identity, String proof) {
        var widget = SCHEMES.getAsJsonObject(scheme);
        if (widget == null) {
            throw CountersignException.invalid(
                    "scheme", "has no widget that is known here; these have: " + String.join(", ", SCHEMES.keySet()));
        }
        if (proof == null || proof.isEmpty()) {
            throw CountersignException.invalid("proof", "is empty: a widget wants the hash or token of its user");
        }
        var values = Map.of(
                "id", identity.id(),
                "email", identity.email(),
                "name", identity.name(),
                "hash", proof,
                "token", proof);
        return filled(widget.getAsJsonObject("fields"), values);
    }

    private static Map<String, Object> filled(JsonObject template, Map<String, String> values) {
        var fields = new LinkedHashMap<String, Object>();
        template.entrySet().forEach(field -> {
            var value = filled(field.getValue(), values);
            if (!isEmpty(value)) {
                fields.put(field.getKey(), value);
            }
        });
        return fields;
    }

    /** Whole or empty, for the place of an item counts. */
    private static List<Object> filled(JsonArray template, Map<String, String> values) {
        var items = new ArrayList<>();
        template.forEach(item -> items.add(filled(item, values)));
        return items.stream().anyMatch(Widgets::isEmpty) ? List.of() : items;
    }

    private static Object filled(JsonElement template, Map<String, String> values) {
        if (template.isJsonObject()) {
            return filled(template.getAsJsonObject(), values);
        } else if (template.isJsonArray()) {
            return filled(template.getAsJsonArray(), values);
        }
        // In one pass, so that a user called {hash} stays one.
        return PLACEHOLDER
                .matcher(template.getAsString())
                .replaceAll(found -> Matcher.quoteReplacement(values.get(found.group(1))));
    }

    private static boolean isEmpty(Object value) {
        return value.equals("") || value.equals(List.of()) || value.equals(Map.of());
    }

    private static JsonObject read() {
        try (var file = Widgets.class.getResourceAsStream("widgets.json");
                var text = new InputStreamReader(file, StandardCharsets.UTF_8)) {
            return JsonParser.parseReader(text).getAsJsonObject();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
