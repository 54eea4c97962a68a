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

	body := `{"id":"evt_1","type":"charge.succeeded"}`
	signed, err := client.Sign(t.Context(), "demo/stripe-webhook", countersign.Webhook{Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	for _, delivery := range []struct {
		body   string
		status int
	}{{body, http.StatusOK}, {body + " ", http.StatusUnauthorized}} {
		request, _ := http.NewRequest(http.MethodPost, server.URL+"/stripe", strings.NewReader(delivery.body))
		request.Header = signed.Header
		answer, err := http.DefaultClient.Do(request)
		if err != nil || answer.StatusCode != delivery.status {
			t.Fatal(answer, err)
		}
		answer.Body.Close()
	}
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	if len(lines) != 1 || !strings.Contains(lines[0], `genuine: "charge.succeeded" "evt_1", `) {
		t.Fatal(lines)
	}
}
