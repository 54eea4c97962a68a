package chat;

import countersign.Countersign;
import countersign.CountersignException;
import countersign.Identity;
import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.http.CacheControl;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RestController;

/**
 * The backend of a page with chat widgets: vouches for the user who is signed in. The page fetches /chat/chatwoot and
 * hands the fields to the vendor's widget; the keys never leave Countersign.
 *
 * <pre>
 * countersign dev                        # in another terminal
 * mvn -q -f ../../sdk/java install -DskipTests
 * mvn -q compile exec:java -Dexec.mainClass=chat.ChatBackend
 * curl http://127.0.0.1:8080/chat/chatwoot
 * </pre>
 */
@SpringBootApplication
@RestController
public class ChatBackend {
    private static final Map<String, String> SCHEMES = Map.of(
            "chatwoot", "chatwoot.identity",
            "pylon", "pylon.identity",
            "kaltalk", "kaltalk.token",
            "talkjs", "talkjs.token");

    private final Countersign countersign = Countersign.connect();

    public static void main(String[] arguments) {
        SpringApplication.run(ChatBackend.class, arguments);
    }

    @GetMapping("/chat/{vendor:chatwoot|pylon|kaltalk|talkjs}")
    ResponseEntity<Map<String, Object>> chat(@PathVariable String vendor) {
        var scheme = SCHEMES.get(vendor);
        var user = signedInUser();
        try {
            var proof =
                    countersign.sign("demo/" + scheme.replace('.', '-'), user).proof();
            var fields = Countersign.widgetFields(scheme, user, proof);
            return ResponseEntity.ok().cacheControl(CacheControl.noStore()).body(fields);
        } catch (CountersignException error) {
            System.err.println(error);
            return ResponseEntity.status(503).build();
        }
    }

    /** Whoever your session says is there. Never sign an id that came with the request: that vouches for anybody. */
    private static Identity signedInUser() {
        return new Identity("user-42").withEmail("ada@example.com").withName("Ada");
    }
}
