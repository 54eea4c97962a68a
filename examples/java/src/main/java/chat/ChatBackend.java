package chat;

import countersign.Countersign;
import countersign.Identity;
import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RestController;

/** Vouches for its user: answers what the chat widget on the page wants. The keys stay in the service. */
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
    Map<String, Object> chat(@PathVariable String vendor) {
        var scheme = SCHEMES.get(vendor);
        var user = signedIn();
        var proof = countersign.sign("demo/" + scheme.replace('.', '-'), user).proof();
        return Countersign.widgetFields(scheme, user, proof);
    }

    /** Whoever your session says is there: never what the page says. */
    private static Identity signedIn() {
        return new Identity("user-42").withEmail("ada@example.com").withName("Ada");
    }
}
