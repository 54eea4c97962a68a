package receiver;

import countersign.Countersign;
import countersign.servlet.WebhookFilter;
import countersign.v1.Replay;
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
 * Receives Stripe's events. Start {@code countersign dev} and this, then
 * {@code countersign webhook sign demo/stripe-webhook --body '{"type":"charge.succeeded"}' --send http://127.0.0.1:8080/webhooks/stripe}.
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
        filter.addUrlPatterns("/webhooks/stripe");
        filter.setOrder(Ordered.HIGHEST_PRECEDENCE);
        return filter;
    }

    /** Only genuine events come here. */
    @PostMapping("/webhooks/stripe")
    String event(@RequestBody Map<String, Object> event, HttpServletRequest request) {
        if (WebhookFilter.verdict(request).replay() == Replay.REPLAY_DUPLICATE) {
            return "seen before\n";
        }
        return "received " + event.get("type") + "\n";
    }
}
