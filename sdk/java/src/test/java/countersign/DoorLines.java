package countersign;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import com.google.gson.JsonSerializer;
import io.grpc.Status.Code;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Questions and answers of the doors as lines of JSON. */
final class DoorLines {
    private static final Gson GSON = new GsonBuilder()
            .serializeNulls()
            .disableHtmlEscaping()
            .registerTypeAdapter(Double.class, (JsonSerializer<Double>) (number, type, context) ->
                    new JsonPrimitive(number == Math.rint(number) ? (Number) number.longValue() : number))
            .create();

    private DoorLines() {}

    static void answer(InputStream in, PrintStream out, Function<JsonObject, Map<String, Object>> door)
            throws IOException {
        var lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
        for (var line = lines.readLine(); line != null; line = lines.readLine()) {
            var question = JsonParser.parseString(line).getAsJsonObject();
            var answer = new LinkedHashMap<String, Object>();
            answer.put("id", text(question, "id"));
            answer.putAll(door.apply(question));
            out.write((GSON.toJson(answer) + "\n").getBytes(StandardCharsets.UTF_8));
            out.flush();
        }
    }

    /** The text of a field, empty if it is missing. */
    static String text(JsonObject json, String field) {
        var value = json.get(field);
        return value == null || value.isJsonNull() ? "" : value.getAsString();
    }

    static Object object(JsonElement json) {
        if (json.isJsonNull()) {
            return null;
        } else if (json.isJsonArray()) {
            var items = new ArrayList<>();
            json.getAsJsonArray().forEach(item -> items.add(object(item)));
            return items;
        } else if (json.isJsonObject()) {
            var fields = new LinkedHashMap<String, Object>();
            json.getAsJsonObject().asMap().forEach((name, value) -> fields.put(name, object(value)));
            return fields;
        }
        var value = json.getAsJsonPrimitive();
        if (value.isBoolean()) {
            return value.getAsBoolean();
        }
        return value.isString() ? value.getAsString() : (Object) value.getAsDouble();
    }

    /** The name of an enum's value without its prefix. */
    static String bare(Enum<?> value) {
        var prefix = value.getDeclaringClass()
                        .getSimpleName()
                        .replaceAll("(?<=[a-z])(?=[A-Z])", "_")
                        .toUpperCase() + "_";
        return value.name().startsWith(prefix) ? value.name().substring(prefix.length()) : value.name();
    }

    static Map<String, Object> error(Code code, String reason, List<String> fields) {
        var error = new LinkedHashMap<String, Object>();
        error.put("code", code.name());
        error.put("reason", reason);
        error.put("fields", fields);
        return Map.of("error", error);
    }
}
