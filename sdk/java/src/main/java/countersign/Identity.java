package countersign;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Plain identity fields of a chat user. An empty text is a field that is not there.
 *
 * @param id the user's stable id in the host application
 * @param email the user's email address
 * @param name the user's display name
 * @param attributes further fields, of a token its remaining claims: texts, truth values, numbers, null, lists, maps
 */
public record Identity(String id, String email, String name, Map<String, Object> attributes) {
    /** Takes null for an empty field. */
    public Identity {
        id = id == null ? "" : id;
        email = email == null ? "" : email;
        name = name == null ? "" : name;
        // Not Map.copyOf, for a claim may be null.
        attributes = attributes == null ? Map.of() : Collections.unmodifiableMap(new LinkedHashMap<>(attributes));
    }

    /** An identity of an id alone. */
    public Identity(String id) {
        this(id, "", "", Map.of());
    }

    /** The same with this email address. */
    public Identity withEmail(String email) {
        return new Identity(id, email, name, attributes);
    }

    /** The same with this display name. */
    public Identity withName(String name) {
        return new Identity(id, email, name, attributes);
    }

    /** The same with one more field. */
    public Identity withAttribute(String field, Object value) {
        var more = new LinkedHashMap<>(attributes);
        more.put(field, value);
        return new Identity(id, email, name, more);
    }

    /** The message of the wire, for requests of your own. */
    public countersign.v1.Identity toWire() {
        var wire =
                countersign.v1.Identity.newBuilder().setId(id).setEmail(email).setName(name);
        if (!attributes.isEmpty()) {
            wire.setAttributes(Wire.struct(attributes));
        }
        return wire.build();
    }

    static Identity of(countersign.v1.Identity wire) {
        return new Identity(wire.getId(), wire.getEmail(), wire.getName(), Wire.map(wire.getAttributes()));
    }
}
