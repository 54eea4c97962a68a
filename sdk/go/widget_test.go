package countersign_test

import (
	"encoding/json"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	countersign "countersign.internal/sdk/go"
	v1 "countersign.internal/sdk/go/v1"
)

func widget(t *testing.T, scheme string, identity countersign.Identity, proof string) string {
	t.Helper()
	fields, err := countersign.WidgetFields(scheme, identity, proof)
	ok(t, err)
	text, err := json.Marshal(fields)
	ok(t, err)
	return string(text)
}

func TestAWidgetGetsItsFields(t *testing.T) {
	same(t, widget(t, "chatwoot.identity", ada, "P"),
		`{"email":"ada@example.com","identifier":"user-42","identifier_hash":"P","name":"Ada"}`)
	same(t, widget(t, "crisp.identity", ada, "P"), `{"user:email":["ada@example.com","P"],"user:nickname":["Ada"]}`)
	same(t, widget(t, "drift.token", ada, "P"),
		`{"attributes":{"email":"ada@example.com","name":"Ada"},"options":{"userJwt":"P"},"userId":"user-42"}`)
}

func TestWhatIsEmptyIsLeftOut(t *testing.T) {
	bare := countersign.Identity{ID: "u"}
	same(t, widget(t, "intercom.identity", bare, "P"), `{"user_hash":"P","user_id":"u"}`)
	same(t, widget(t, "drift.token", bare, "P"), `{"options":{"userJwt":"P"},"userId":"u"}`)
	same(t, widget(t, "crisp.identity", countersign.Identity{Email: "e"}, "P"), `{"user:email":["e","P"]}`)
	same(t, widget(t, "intercom.identity", countersign.Identity{ID: "{hash}"}, "P"), `{"user_hash":"P","user_id":"{hash}"}`)
}

func TestAnUnknownWidgetIsAnErrorThatNamesTheKnown(t *testing.T) {
	_, err := countersign.WidgetFields("acme.identity", ada, "P")
	same(t, strings.Contains(fails(t, err, codes.InvalidArgument).Message, "chatwoot.identity, crisp.identity"), true)
	_, err = countersign.WidgetFields("chatwoot.identity", ada, "")
	same(t, fails(t, err, codes.InvalidArgument).Violations[0].Field, "proof")
}

// Every scheme of the data is one of the service, and its widget takes the kind of proof that the service makes.
func TestEveryWidgetIsOfAScheme(t *testing.T) {
	answer, err := v1.NewSchemeServiceClient(connect(t).Conn()).ListSchemes(t.Context(), &v1.ListSchemesRequest{})
	ok(t, err)
	seen := 0
	for _, scheme := range answer.GetSchemes() {
		fields, err := countersign.WidgetFields(scheme.GetId(), ada, "the-proof")
		if err != nil {
			continue
		}
		seen++
		text, err := json.Marshal(fields)
		ok(t, err)
		same(t, strings.Contains(string(text), "the-proof"), true)
		same(t, strings.Contains(string(text), "{"+"id}"), false)
		identity := scheme.GetPurpose() == v1.Purpose_PURPOSE_IDENTITY_HASH || scheme.GetPurpose() == v1.Purpose_PURPOSE_IDENTITY_TOKEN
		same(t, identity, true)
	}
	_, err = countersign.WidgetFields("acme.identity", ada, "P")
	same(t, seen, strings.Count(err.Error(), ", ")+1)
}
