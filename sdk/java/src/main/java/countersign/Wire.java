package countersign;

import com.google.protobuf.ListValue;
import com.google.protobuf.NullValue;
import com.google.protobuf.ProtocolMessageEnum;
import com.google.protobuf.Struct;
import com.google.protobuf.Timestamp;
import com.google.protobuf.Value;
import countersign.v1.Header;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** From and to the messages of the wire. What is not understood there is an error, never a verdict. */
final class Wire {
    /** Beyond it a double is no longer exact. */
    private static final long MAX_WHOLE = (1L << 53) - 1;

    private Wire() {}

    /** The value, unless it is unspecified or of a number that this client has no name for. */
    static <E extends Enum<E> & ProtocolMessageEnum> E known(E value, String field) {
        if (value.ordinal() == 0 || isUnknown(value)) {
            throw CountersignException.unusable(field);
        }
        return value;
    }

    /** As {@link #known}, but null where it is unspecified. */
    static <E extends Enum<E> & ProtocolMessageEnum> E knownOrNull(E value, String field) {
        return value.ordinal() == 0 ? null : known(value, field);
    }

    private static boolean isUnknown(Enum<?> value) {
        return value.name().equals("UNRECOGNIZED");
    }

    static Instant instant(Timestamp time, String field) {
        try {
            return Instant.ofEpochSecond(time.getSeconds(), time.getNanos());
        } catch (DateTimeException | ArithmeticException error) {
            throw CountersignException.unusable(field);
        }
    }

    static List<Map.Entry<String, String>> headers(List<Header> headers) {
        return headers.stream()
                .map(header -> Map.entry(header.getName(), header.getValue()))
                .toList();
    }

    static String emptyAsNull(String text) {
        return text.isEmpty() ? null : text;
    }

    static Struct struct(Map<?, ?> fields) {
        var struct = Struct.newBuilder();
        fields.forEach((name, value) -> struct.putFields(String.valueOf(name), value(value)));
        return struct.build();
    }

    static Map<String, Object> map(Struct struct) {
        var fields = new LinkedHashMap<String, Object>();
        struct.getFieldsMap().forEach((name, value) -> fields.put(name, object(value)));
        return Collections.unmodifiableMap(fields);
    }

    private static Value value(Object object) {
        var value = Value.newBuilder();
        if (object == null) {
            return value.setNullValue(NullValue.NULL_VALUE).build();
        } else if (object instanceof Boolean truth) {
            return value.setBoolValue(truth).build();
        } else if (object instanceof String text) {
            return value.setStringValue(text).build();
        } else if (object instanceof Number number && Math.abs(number.doubleValue()) <= MAX_WHOLE) {
            return value.setNumberValue(number.doubleValue()).build();
        } else if (object instanceof Map<?, ?> fields) {
            return value.setStructValue(struct(fields)).build();
        } else if (object instanceof Iterable<?> items) {
            var list = ListValue.newBuilder();
            items.forEach(item -> list.addValues(value(item)));
            return value.setListValue(list).build();
        }
        throw CountersignException.invalid(
                "attributes",
                "hold texts, truth values, lists, maps, null, and numbers up to 2^53 - 1: others as text");
    }

    private static Object object(Value value) {
        return switch (value.getKindCase()) {
            case BOOL_VALUE -> value.getBoolValue();
            case STRING_VALUE -> value.getStringValue();
            case NUMBER_VALUE -> value.getNumberValue();
            case STRUCT_VALUE -> map(value.getStructValue());
            case LIST_VALUE -> {
                var items = new ArrayList<Object>();
                value.getListValue().getValuesList().forEach(item -> items.add(object(item)));
                yield Collections.unmodifiableList(items);
            }
            case NULL_VALUE, KIND_NOT_SET -> null;
        };
    }
}
