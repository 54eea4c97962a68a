// Package vendors makes deliveries with the vendors' own libraries. A module of its own, so that who uses the SDK never
// sees what its tests need.
package vendors

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	stripe "github.com/stripe/stripe-go/v85/webhook"
	svix "github.com/svix/svix-webhooks/go"

	countersign "countersign.internal/sdk/go"
	v1 "countersign.internal/sdk/go/v1"
	"countersign.internal/sdk/go/webhook"
)

const (
	stripeKey = "whsec_a-key-that-stripe-could-have-issued"
	svixKey   = "whsec_YSBrZXkgdGhhdCBzdml4IGNvdWxkIGhhdmUgaXNzdWVk"
)

func TestMain(m *testing.M) {
	if os.Getenv("TESTBED_TLS_SERVER") == "" {
		fmt.Fprintln(os.Stderr, "run the tests with sdk/go/check, or under the testbed: testbed go test ./...")
		os.Exit(64)
	}
	os.Exit(m.Run())
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// byStripe signs as Stripe's library does.
func byStripe(_ testing.TB, body []byte, at time.Time) http.Header {
	signed := stripe.GenerateTestSignedPayload(&stripe.UnsignedPayload{Payload: body, Secret: stripeKey, Timestamp: at})
	return http.Header{"Stripe-Signature": {signed.Header}}
}

// bySvix signs as Svix's library does.
func bySvix(t testing.TB, body []byte, at time.Time) http.Header {
	library, err := svix.NewWebhook(svixKey)
	ok(t, err)
	id := "msg_" + strconv.FormatInt(at.UnixNano(), 36)
	signature, err := library.Sign(id, at, body)
	ok(t, err)
	header := http.Header{}
	header.Set("svix-id", id)
	header.Set("svix-timestamp", strconv.FormatInt(at.Unix(), 10))
	header.Set("svix-signature", signature)
	return header
}

func TestWhatAVendorsLibrarySignedIsGenuineAndNothingElse(t *testing.T) {
	client, err := countersign.New()
	ok(t, err)
	defer client.Close()
	for _, vendor := range []struct {
		scheme, key string
		sign        func(testing.TB, []byte, time.Time) http.Header
	}{
		{"stripe.webhook", stripeKey, byStripe},
		{"svix.webhook", svixKey, bySvix},
	} {
		t.Run(vendor.scheme, func(t *testing.T) {
			made, err := client.CreateSecret(t.Context(), &v1.CreateSecretRequest{
				Name: "demo/go/vendors-" + vendor.scheme, Scheme: vendor.scheme, ImportedKey: vendor.key,
			})
			ok(t, err)
			handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
			server := httptest.NewServer(webhook.Verify(client, made.Secret.GetName())(handler))
			defer server.Close()
			for name, body := range map[string]string{
				"empty":     "",
				"pretty":    "{\n  \"id\": \"evt_1\"\n}\n",
				"non-ASCII": `{"name":"Zoë 🦀"}`,
				"no text":   "\xff\xfe\x00{}",
				"large":     strings.Repeat("é", 1<<19),
			} {
				t.Run(name, func(t *testing.T) {
					good := vendor.sign(t, []byte(body), time.Now())
					deliver(t, server.URL, good, strings.NewReader(body), http.StatusOK, body)
					// Chunked, because nobody says how long it is.
					good = vendor.sign(t, []byte(body), time.Now())
					deliver(t, server.URL, good, io.MultiReader(bytes.NewBufferString(body)), http.StatusOK, body)

					refused := `{"error":"webhook_refused","reason":"SIGNATURE_MISMATCH"}` + "\n"
					tampered := body[:max(len(body), 1)-1] + "x"
					deliver(t, server.URL, good, strings.NewReader(tampered), http.StatusUnauthorized, refused)
					old := vendor.sign(t, []byte(body), time.Now().Add(-time.Hour))
					refused = strings.Replace(refused, "SIGNATURE_MISMATCH", "TIMESTAMP_TOO_OLD", 1)
					deliver(t, server.URL, old, strings.NewReader(body), http.StatusUnauthorized, refused)
				})
			}
		})
	}
}

func deliver(t *testing.T, url string, header http.Header, body io.Reader, status int, want string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	ok(t, err)
	request.Header = header
	answer, err := http.DefaultClient.Do(request)
	ok(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	ok(t, err)
	if answer.StatusCode != status || string(text) != want {
		t.Fatalf("%d: %.100q", answer.StatusCode, text)
	}
}
