package receiver;

import countersign.Countersign;
import countersign.servlet.WebhookFilter;
import jakarta.servlet.http.HttpServletRequest;
import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.web.servlet.FilterRegistrationBean;
import org.springframework.context.annotation.Bean;
import org.springframework.core.Ordered;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RestController;

/**
 * Receives Stripe's events: only genuine ones reach the controller.
 *
 * <pre>
 * countersign dev                        # in another terminal
 * mvn -q -f ../../sdk/java install -DskipTests
 * mvn -q compile exec:java -Dexec.mainClass=receiver.StripeReceiver
 * countersign webhook sign demo/stripe-webhook --body '{"id":"evt_1","type":"charge.succeeded"}' \
 *   --send http://127.0.0.1:8080/stripe
 * </pre>
 */
@SpringBootApplication
@RestController
public class StripeReceiver {
    public static void main(String[] arguments) {
        SpringApplication.run(StripeReceiver.class, arguments);
    }

    @Bean
    Countersign countersign() {
        return Countersign.connect();
    }

    @Bean
    FilterRegistrationBean<WebhookFilter> stripe(Countersign countersign) {
        var filter = new FilterRegistrationBean<>(new WebhookFilter(countersign, "demo/stripe-webhook"));
        filter.addUrlPatterns("/stripe");
        filter.setOrder(Ordered.HIGHEST_PRECEDENCE);
        return filter;
    }

    /** Only genuine events come here. */
    @PostMapping("/stripe")
    String event(@RequestBody Map<String, Object> event, HttpServletRequest request) {
        // Stripe sends an event again where it saw no answer, and signs it anew: the verdict's replay() does not tell
        // that. To handle an event once, keep the ids of those that are done in your own store.
        var age = WebhookFilter.verdict(request).age();
        return "received " + event.get("type") + " " + event.get("id") + ", " + age + "\n";
    }
}
