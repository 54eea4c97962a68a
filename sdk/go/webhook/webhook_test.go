package webhook_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	countersign "countersign.internal/sdk/go"
	v1 "countersign.internal/sdk/go/v1"
	"countersign.internal/sdk/go/webhook"
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

func same[T comparable](t testing.TB, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%v is not %v", got, want)
	}
}

func connect(t testing.TB, options ...countersign.Option) *countersign.Client {
	t.Helper()
	client, err := countersign.New(options...)
	ok(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func sign(t testing.TB, secret string, delivery countersign.Webhook) http.Header {
	t.Helper()
	signed, err := connect(t).Sign(t.Context(), secret, delivery)
	ok(t, err)
	return signed.Header
}

// receiver is a real server; its handler answers the body it read, after the reason to call it genuine.
func receiver(t testing.TB, verifier webhook.Verifier, secret string, options ...webhook.Option) *httptest.Server {
	t.Helper()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || int64(len(body)) != r.ContentLength {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, webhook.Verdict(r.Context()).IsEvent(), " ")
		_, _ = w.Write(body)
	})
	server := httptest.NewServer(webhook.Verify(verifier, secret, options...)(handler))
	t.Cleanup(server.Close)
	return server
}

func deliver(t testing.TB, server *httptest.Server, header http.Header, body io.Reader) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/hook?a=1", body)
	ok(t, err)
	request.Header = header.Clone()
	answer, err := server.Client().Do(request)
	ok(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	ok(t, err)
	return answer, string(text)
}

// chunked hides how long the body is.
func chunked(body []byte) io.Reader {
	return io.MultiReader(bytes.NewReader(body), strings.NewReader(""))
}

func TestAGenuineDeliveryReachesTheHandlerWithItsBody(t *testing.T) {
	server := receiver(t, connect(t), "demo/stripe-webhook")
	for _, body := range [][]byte{{}, []byte("{\"name\":\"Zoë\xff\"}\r\n"), bytes.Repeat([]byte("é"), 1<<19)} {
		header := sign(t, "demo/stripe-webhook", countersign.Webhook{Body: body})
		for _, stream := range []io.Reader{bytes.NewReader(body), chunked(body)} {
			answer, text := deliver(t, server, header, stream)
			same(t, answer.StatusCode, http.StatusOK)
			same(t, text, "true "+string(body))
		}
	}
}

func TestARefusedDeliveryIsAnswered401WithTheReason(t *testing.T) {
	server := receiver(t, connect(t), "demo/stripe-webhook")
	header := sign(t, "demo/stripe-webhook", countersign.Webhook{Body: []byte("{}")})
	for reason, delivery := range map[string]struct {
		header http.Header
		body   string
	}{
		"SIGNATURE_MISMATCH": {header, "{ }"},
		"HEADER_MISSING":     {http.Header{}, "{}"},
		"TIMESTAMP_TOO_OLD": {sign(t, "demo/stripe-webhook", countersign.Webhook{
			Body: []byte("{}"), Time: time.Now().Add(-time.Hour)}), "{}"},
	} {
		answer, text := deliver(t, server, delivery.header, strings.NewReader(delivery.body))
		same(t, answer.StatusCode, http.StatusUnauthorized)
		same(t, answer.Header.Get("Content-Type"), "application/json")
		same(t, text, `{"error":"webhook_refused","reason":"`+reason+`"}`+"\n")
	}
}

func TestWithoutAVerdictTheVendorIsToComeAgain(t *testing.T) {
	told := make(chan error, 1)
	tell := webhook.OnError(func(_ *http.Request, err error) { told <- err })
	silent := connect(t, countersign.WithServer(os.Getenv("TESTBED_SILENT_SERVER")), countersign.WithDeadline(100*time.Millisecond))
	for _, verifier := range []webhook.Verifier{silent, nothing{}} {
		answer, text := deliver(t, receiver(t, verifier, "demo/stripe-webhook", tell), http.Header{}, strings.NewReader("{}"))
		same(t, answer.StatusCode, http.StatusServiceUnavailable)
		same(t, answer.Header.Get("Retry-After"), "1")
		same(t, text, `{"error":"verification_unavailable"}`+"\n")
		same(t, <-told != nil, true)
	}
	answer, _ := deliver(t, receiver(t, connect(t), "demo/unknown", tell), http.Header{}, strings.NewReader("{}"))
	same(t, answer.StatusCode, http.StatusServiceUnavailable)
	failure := new(countersign.Error)
	same(t, errors.As(<-told, &failure) && failure.Code == codes.NotFound, true)
}

func TestWhatNoVendorSendsIsTheSendersFaultAndNoOutage(t *testing.T) {
	long := webhook.URL(func(*http.Request) string { return "https://a.example/" + strings.Repeat("a", 8192) })
	tell := webhook.OnError(func(_ *http.Request, err error) { t.Error(err) })
	header := sign(t, "demo/stripe-webhook", countersign.Webhook{Body: []byte("{}")})
	answer, text := deliver(t, receiver(t, connect(t), "demo/stripe-webhook", long, tell), header, strings.NewReader("{}"))
	same(t, answer.StatusCode, http.StatusBadRequest)
	same(t, answer.Header.Get("Retry-After"), "")
	same(t, text, `{"error":"webhook_malformed","field":"url"}`+"\n")
}

// nothing answers neither a verdict nor an error.
type nothing struct{}

func (nothing) VerifyWebhook(context.Context, string, http.Header, []byte, ...countersign.WebhookOption,
) (*countersign.WebhookVerdict, error) {
	return nil, nil
}

func TestARetryReachesTheHandlerOnce(t *testing.T) {
	client := connect(t, countersign.WithServer(os.Getenv("TESTBED_FLAKY_SERVER")))
	header := sign(t, "demo/stripe-webhook", countersign.Webhook{Body: []byte("{}")})
	answer, text := deliver(t, receiver(t, client, "demo/stripe-webhook"), header, strings.NewReader("{}"))
	same(t, answer.StatusCode, http.StatusOK)
	same(t, text, "true {}")
}

func TestAHandshakeIsAnsweredAndNoEvent(t *testing.T) {
	body := []byte(`{"type":"url_verification","challenge":"abc"}`)
	header := sign(t, "demo/slack-webhook", countersign.Webhook{Body: body})
	server := receiver(t, connect(t), "demo/slack-webhook")
	answer, text := deliver(t, server, header, bytes.NewReader(body))
	same(t, answer.StatusCode, http.StatusOK)
	same(t, strings.Contains(text, "abc") && !strings.Contains(text, "true"), true)
}

func TestAnUnsignedHandshakeIsAnsweredAndNoEvent(t *testing.T) {
	client := connect(t)
	_, err := client.CreateSecret(t.Context(), &v1.CreateSecretRequest{
		Name: "demo/go/middleware-asana", Scheme: "asana.webhook", ImportedKey: "asana-secret-of-thirty-two-bytes-",
	})
	ok(t, err)
	server := receiver(t, client, "demo/go/middleware-asana")
	answer, text := deliver(t, server, http.Header{"X-Hook-Secret": {"abc"}}, strings.NewReader("{}"))
	same(t, answer.StatusCode, http.StatusOK)
	same(t, answer.Header.Get("X-Hook-Secret"), "abc")
	same(t, text, "")
}

func TestALargerBodyIsNotTaken(t *testing.T) {
	server := receiver(t, connect(t), "demo/stripe-webhook", webhook.MaxBytes(10))
	for size, status := range map[int]int{10: http.StatusUnauthorized, 11: http.StatusRequestEntityTooLarge} {
		for _, body := range []io.Reader{bytes.NewReader(make([]byte, size)), chunked(make([]byte, size))} {
			answer, _ := deliver(t, server, http.Header{}, body)
			same(t, answer.StatusCode, status)
		}
	}
}

func TestABodyThatBreaksOffIsNotTaken(t *testing.T) {
	server := receiver(t, connect(t), "demo/stripe-webhook")
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	ok(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nbroken\r\n")
	ok(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	ok(t, err)
	same(t, answer.StatusCode, http.StatusBadRequest)
}

func TestABodyThatWasReadBeforeIsNoDelivery(t *testing.T) {
	body := []byte("payload=1")
	header := sign(t, "demo/stripe-webhook", countersign.Webhook{Body: body})
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	told := make(chan error, 1)
	tell := webhook.OnError(func(_ *http.Request, err error) { told <- err })
	inner := webhook.Verify(connect(t), "demo/stripe-webhook", tell)(http.NotFoundHandler())
	readers := map[string]func(*http.Request){
		"/form":  func(r *http.Request) { _ = r.ParseForm() },
		"/bytes": func(r *http.Request) { _, _ = io.CopyN(io.Discard, r.Body, 3) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		readers[r.URL.Path](r)
		inner.ServeHTTP(w, r)
	}))
	defer server.Close()
	for path := range readers {
		request, err := http.NewRequest(http.MethodPost, server.URL+path, bytes.NewReader(body))
		ok(t, err)
		request.Header = header
		answer, err := http.DefaultClient.Do(request)
		ok(t, err)
		answer.Body.Close()
		same(t, answer.StatusCode, http.StatusServiceUnavailable)
		same(t, strings.Contains((<-told).Error(), "put this middleware first"), true)
	}
}

func TestTheUrlIsThatOfTheRequestOrTheOneThatIsSet(t *testing.T) {
	client := connect(t)
	made, err := client.CreateSecret(t.Context(), &v1.CreateSecretRequest{
		Name: "demo/go/middleware-trello", Scheme: "trello.webhook", ImportedKey: "another-trello-secret-of-some-bytes",
	})
	ok(t, err)
	secret := made.Secret.GetName()
	public := webhook.URL(func(r *http.Request) string { return "https://example.com" + r.URL.RequestURI() })
	for _, options := range [][]webhook.Option{nil, {public}} {
		server := receiver(t, client, secret, options...)
		url := server.URL
		if options != nil {
			url = "https://example.com"
		}
		header := sign(t, secret, countersign.Webhook{Body: []byte("{}"), URL: url + "/hook?a=1"})
		header.Set("X-Forwarded-Host", "elsewhere.example")
		answer, _ := deliver(t, server, header, strings.NewReader("{}"))
		same(t, answer.StatusCode, http.StatusOK)
		header = sign(t, secret, countersign.Webhook{Body: []byte("{}"), URL: url + "/other"})
		answer, _ = deliver(t, server, header, strings.NewReader("{}"))
		same(t, answer.StatusCode, http.StatusUnauthorized)
	}
}

func TestAuthorizationIsSentWhereItIsAskedFor(t *testing.T) {
	client := connect(t)
	made, err := client.CreateSecret(t.Context(), &v1.CreateSecretRequest{
		Name: "demo/go/middleware-monday", Scheme: "monday.webhook", ImportedKey: "monday-secret-of-thirty-two-bytes",
	})
	ok(t, err)
	secret := made.Secret.GetName()
	header := sign(t, secret, countersign.Webhook{Body: []byte("{}")})
	same(t, header.Get("Authorization") != "", true)
	answer, _ := deliver(t, receiver(t, client, secret, webhook.Credentials("authorization")), header, strings.NewReader("{}"))
	same(t, answer.StatusCode, http.StatusOK)
	answer, _ = deliver(t, receiver(t, client, secret), header, strings.NewReader("{}"))
	same(t, answer.StatusCode, http.StatusUnauthorized)
}

func TestManyDeliveriesAtOnceKeepApart(t *testing.T) {
	server := receiver(t, connect(t), "demo/stripe-webhook")
	for number := range 40 {
		t.Run(fmt.Sprint(number), func(t *testing.T) {
			t.Parallel()
			body := fmt.Sprintf(`{"number":%d}`, number)
			header := sign(t, "demo/stripe-webhook", countersign.Webhook{Body: []byte(body)})
			_, text := deliver(t, server, header, strings.NewReader(body))
			same(t, text, "true "+body)
		})
	}
}
