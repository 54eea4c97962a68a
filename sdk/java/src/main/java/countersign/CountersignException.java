package countersign;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import io.grpc.Status;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.List;
import java.util.Optional;

/**
 * Why there is no answer: the settings cannot be used, the service refused the request, could not be reached, or
 * answered something that must not be read as a verdict. Its text holds nothing of the request.
 */
public final class CountersignException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final Code code;
    private final String reason;
    private final transient List<Violation> violations;

    /** A field of the request that was not accepted: its path in the request message, and what is wrong with it. */
    public record Violation(String field, String description) {}

    private CountersignException(
            Code code, String reason, List<Violation> violations, String message, Throwable cause) {
        super(message, cause);
        this.code = code;
        this.reason = reason;
        this.violations = violations;
    }

    /** The canonical gRPC code. UNAVAILABLE is worth another try, RESOURCE_EXHAUSTED after a while. */
    public Code code() {
        return code;
    }

    /** The service's stable reason, such as {@code SECRET_NOT_FOUND}; null if the error is not the service's own. */
    public String reason() {
        return reason;
    }

    /** The fields at fault, in order. */
    public List<Violation> violations() {
        return violations == null ? List.of() : violations;
    }

    static CountersignException invalid(String field, String description) {
        var violations = List.of(new Violation(field, description));
        return new CountersignException(
                Code.INVALID_ARGUMENT, null, violations, "the " + field + " " + description, null);
    }

    /** For an answer that this client does not understand, so that nothing was decided. */
    static CountersignException unusable(String field) {
        var message = "the server's answer has no " + field
                + " that this client knows: refuse the request and compare the versions of both";
        return new CountersignException(Code.INTERNAL, null, List.of(), message, null);
    }

    static CountersignException of(StatusRuntimeException error) {
        var status = error.getStatus();
        var details = StatusProto.fromThrowable(error).getDetailsList();
        var reason = detail(details, ErrorInfo.class).map(ErrorInfo::getReason).orElse(null);
        var violations = detail(details, BadRequest.class).stream()
                .flatMap(bad -> bad.getFieldViolationsList().stream())
                .map(violation -> new Violation(violation.getField(), violation.getDescription()))
                .toList();
        var text = new StringBuilder(words(status));
        for (var violation : violations) {
            if (text.indexOf(violation.description) < 0) {
                text.append("; ").append(violation.field).append(": ").append(violation.description);
            }
        }
        text.append(" [").append(reason == null ? status.getCode() : reason).append("]");
        return new CountersignException(
                status.getCode(),
                reason,
                violations,
                text.append(advice(status.getCode())).toString(),
                status.getCause());
    }

    /** The description, and what the transport says, which stands in the cause: "connection refused", "unable to find …". */
    private static String words(Status status) {
        var description = Optional.ofNullable(status.getDescription()).orElse("");
        var cause = status.getCause();
        while (cause != null && cause.getCause() != null) {
            cause = cause.getCause();
        }
        var said = cause == null ? null : cause.getMessage();
        // The lines after the first one are gRPC's own affair.
        var first = description.lines().findFirst().orElse("");
        return said == null || description.contains(said) ? first : first + ": " + said;
    }

    private static String advice(Code code) {
        return switch (code) {
            case UNAUTHENTICATED -> ": give a valid token";
            case PERMISSION_DENIED -> ": use a token that may do this";
            // Not "try again": a change may have happened all the same.
            case UNAVAILABLE -> ": check that the server runs and can be reached";
            case DEADLINE_EXCEEDED -> ": check that the server can be reached, or allow a longer deadline";
            case RESOURCE_EXHAUSTED -> ": wait a moment and try again";
            default -> "";
        };
    }

    private static <T extends Message> Optional<T> detail(List<Any> details, Class<T> type) {
        for (var detail : details) {
            try {
                if (detail.is(type)) {
                    return Optional.of(detail.unpack(type));
                }
            } catch (InvalidProtocolBufferException error) {
                // A detail only explains; code and message remain.
            }
        }
        return Optional.empty();
    }
}
