package countersign;

import static countersign.CountersignTest.failure;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class WidgetsTest {
    private static final Identity ADA =
            new Identity("user-42").withEmail("ada@example.com").withName("Ada");

    @Test
    void fieldsAreNamedAsTheVendorNamesThem() {
        assertEquals(
                Map.of("identifier", "user-42", "name", "Ada", "email", "ada@example.com", "identifier_hash", "00ff"),
                Countersign.widgetFields("chatwoot.identity", ADA, "00ff"));
        assertEquals(Map.of("userJwt", "a.b.c"), Countersign.widgetFields("kaltalk.token", ADA, "a.b.c"));
    }

    @Test
    void fieldsMayHoldListsAndFields() {
        assertEquals(
                Map.of("user:email", List.of("ada@example.com", "00ff"), "user:nickname", List.of("Ada")),
                Countersign.widgetFields("crisp.identity", ADA, "00ff"));
        assertEquals(
                Map.of("user", Map.of("id", "user-42", "name", "Ada"), "token", "a.b.c"),
                Countersign.widgetFields("stream.token", ADA, "a.b.c"));
    }

    @Test
    void aFieldWithoutAValueIsLeftOut() {
        assertEquals(
                Map.of("user_id", "user-42", "user_hash", "00ff"),
                Countersign.widgetFields("chatbase.identity", new Identity("user-42"), "00ff"));
    }

    @Test
    void aListIsWholeOrNotThere() {
        assertEquals(
                Map.of("user:nickname", List.of("Ada")),
                Countersign.widgetFields("crisp.identity", ADA.withEmail(""), "00ff"));
    }

    @Test
    void aUserWhoIsCalledLikeAPlaceholderStaysOne() {
        var fields = Countersign.widgetFields("pylon.identity", new Identity("{hash}").withName("{id} $1"), "00ff");
        assertEquals(Map.of("name", "{id} $1", "email_hash", "00ff"), fields);
    }

    @Test
    void anUnknownSchemeIsAnErrorThatNamesTheKnownOnes() {
        var error = failure(() -> Countersign.widgetFields("stripe.webhook", ADA, "00ff"));
        assertTrue(error.getMessage().contains("chatwoot.identity, "), error.getMessage());
    }

    @Test
    void aWidgetWithoutAProofIsAnError() {
        failure(() -> Countersign.widgetFields("chatwoot.identity", ADA, ""));
        failure(() -> Countersign.widgetFields("chatwoot.identity", ADA, null));
    }
}
