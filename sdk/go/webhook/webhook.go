// Package webhook is the middleware for net/http: it takes the raw body of a delivery before any parser, asks
// Countersign, and lets a genuine event on. It fits every router that takes a func(http.Handler) http.Handler.
package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strings"

	countersign "countersign.internal/sdk/go"
)

// DefaultMaxBytes is the largest body that is taken unless set otherwise; also the default of the service.
const DefaultMaxBytes = 1 << 20

// Verifier is what asks Countersign: a *countersign.Client.
type Verifier interface {
	VerifyWebhook(ctx context.Context, secret string, header http.Header, body []byte,
		options ...countersign.WebhookOption) (*countersign.WebhookVerdict, error)
}

// Option is a setting of the middleware.
type Option func(*middleware)

// MaxBytes sets the largest body that is taken. A larger one is answered 413.
func MaxBytes(limit int64) Option { return func(m *middleware) { m.maxBytes = limit } }

// URL says what the public URL of a request is, as registered with the vendor, for those behind a proxy. Without it the
// URL is that of the request, whatever X-Forwarded headers say.
func URL(of func(*http.Request) string) Option { return func(m *middleware) { m.url = of } }

// Credentials sends headers of these names too, which are left out otherwise: monday.webhook needs authorization.
func Credentials(names ...string) Option {
	return func(m *middleware) { m.more = append(m.more, countersign.WithCredentials(names...)) }
}

// OnError is told why there is no verdict on a request, which is answered 503. Without it log/slog is.
func OnError(tell func(*http.Request, error)) Option { return func(m *middleware) { m.onError = tell } }

// Verify makes a middleware for one secret. The handler behind it gets genuine events alone, with their body still to
// be read, and finds the verdict in Verdict. A refused delivery is answered 401 with a reason, a vendor's handshake with
// what the vendor wants, one with a URL, method or headers that no vendor sends 400, and one without a verdict 503, so
// that the vendor sends it again.
func Verify(verifier Verifier, secret string, options ...Option) func(http.Handler) http.Handler {
	m := middleware{verifier: verifier, secret: secret, maxBytes: DefaultMaxBytes, url: requestURL, onError: logError}
	for _, option := range options {
		option(&m)
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.serve(w, r, next) })
	}
}

type verdictKey struct{}

// Verdict is the verdict on the delivery that is being handled; nil of a request that did not come through Verify.
func Verdict(ctx context.Context) *countersign.WebhookVerdict {
	verdict, _ := ctx.Value(verdictKey{}).(*countersign.WebhookVerdict)
	return verdict
}

type middleware struct {
	verifier Verifier
	secret   string
	maxBytes int64
	url      func(*http.Request) string
	more     []countersign.WebhookOption
	onError  func(*http.Request, error)
}

func (m *middleware) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, m.maxBytes))
	if limit := new(http.MaxBytesError); errors.As(err, &limit) {
		tooLarge(w)
		return
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, `{"error":"body_incomplete"}`)
		return
	}
	verdict, err := m.verdict(r, body)
	switch {
	case err != nil:
		m.noVerdict(w, r, err)
	case verdict.Handshake != nil:
		maps.Copy(w.Header(), verdict.Handshake.Header)
		w.WriteHeader(verdict.Handshake.Status)
		_, _ = w.Write(verdict.Handshake.Body)
	case !verdict.IsVerified():
		refuse(w, http.StatusUnauthorized,
			fmt.Sprintf(`{"error":"webhook_refused","reason":%q}`, countersign.Name(verdict.Reason)))
	default:
		r = r.WithContext(context.WithValue(r.Context(), verdictKey{}, verdict))
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength, r.TransferEncoding = int64(len(body)), nil
		next.ServeHTTP(w, r)
	}
}

// noVerdict tells the sender what it did wrong; all else is told to onError, and the sender is to come again.
func (m *middleware) noVerdict(w http.ResponseWriter, r *http.Request, err error) {
	failure, field := new(countersign.Error), ""
	if errors.As(err, &failure) && len(failure.Violations) > 0 {
		field = failure.Violations[0].Field
	}
	switch {
	case failure.Reason == "BODY_TOO_LARGE":
		tooLarge(w)
	case failure.Reason == "FIELD_INVALID" && (field == "headers" || field == "method" || field == "url"):
		refuse(w, http.StatusBadRequest, fmt.Sprintf(`{"error":"webhook_malformed","field":%q}`, field))
	default:
		m.onError(r, err)
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, `{"error":"verification_unavailable"}`)
	}
}

func (m *middleware) verdict(r *http.Request, body []byte) (*countersign.WebhookVerdict, error) {
	if r.ContentLength > 0 && int64(len(body)) != r.ContentLength || r.PostForm != nil {
		return nil, errors.New("the body was read before it could be verified: put this middleware first")
	}
	// The wire carries UTF-8 alone, and no vendor signs a URL that is not.
	url := strings.ToValidUTF8(m.url(r), "\uFFFD")
	options := append([]countersign.WebhookOption{countersign.WithMethod(r.Method), countersign.WithURL(url)}, m.more...)
	verdict, err := m.verifier.VerifyWebhook(r.Context(), m.secret, r.Header, body, options...)
	if err == nil && verdict == nil {
		err = errors.New("the verifier answered nothing")
	}
	return verdict, err
}

func requestURL(r *http.Request) string {
	// A request to a proxy names the whole URL.
	if !strings.HasPrefix(r.RequestURI, "/") {
		return r.RequestURI
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + r.RequestURI
}

func logError(r *http.Request, err error) {
	// Who hung up needs no answer, and nobody needs to know.
	if r.Context().Err() == nil {
		slog.ErrorContext(r.Context(), "no verdict on a webhook", "error", err)
	}
}

func tooLarge(w http.ResponseWriter) {
	refuse(w, http.StatusRequestEntityTooLarge, `{"error":"body_too_large"}`)
}

func refuse(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body+"\n")
}
