package main

import (
	"bytes"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	countersign "countersign.internal/sdk/go"
)

func TestGenuineEventsAndNoneElseAreHandled(t *testing.T) {
	client, err := countersign.New()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server := httptest.NewServer(routes(client))
	defer server.Close()
	var said bytes.Buffer
	log.SetOutput(&said)
	defer log.SetOutput(os.Stderr)

	body := `{"type":"invoice.paid","of":"examples/go"}`
	signed, err := client.Sign(t.Context(), "demo/stripe-webhook", countersign.Webhook{Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	for _, delivery := range []struct {
		body   string
		status int
	}{{body, http.StatusOK}, {body, http.StatusOK}, {body + " ", http.StatusUnauthorized}} {
		request, _ := http.NewRequest(http.MethodPost, server.URL+"/stripe", strings.NewReader(delivery.body))
		request.Header = signed.Header
		answer, err := http.DefaultClient.Do(request)
		if err != nil || answer.StatusCode != delivery.status {
			t.Fatal(answer, err)
		}
		answer.Body.Close()
	}
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	if len(lines) != 2 || !strings.HasSuffix(lines[0], `genuine: "invoice.paid" FIRST`) ||
		!strings.HasSuffix(lines[1], `genuine: "invoice.paid" DUPLICATE`) {
		t.Fatal(lines)
	}
}
