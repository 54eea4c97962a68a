// Package countersign is the SDK of Countersign, the service that signs and verifies chat identities and webhooks and
// keeps their secrets: a thin face over the generated client in countersign.internal/sdk/go/v1.
//
// A refused proof is an answer, a verdict; an outage, or an answer that is not understood, is an *Error and never a
// verdict. The middleware for net/http is in countersign.internal/sdk/go/webhook.
package countersign

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "countersign.internal/sdk/go/v1"
)

// Client calls one server. It is for many goroutines at once, connects at its first call and reconnects when it must.
type Client struct {
	conn   *grpc.ClientConn
	server string
}

// Close ends the connection, and with it the calls that are under way.
func (c *Client) Close() error { return c.conn.Close() }

// Conn is the connection, for the services of the generated client that have no method here, such as
// v1.NewTokenServiceClient(client.Conn()). Their calls carry the token and the deadline and answer an *Error too.
func (c *Client) Conn() grpc.ClientConnInterface { return c.conn }

// Service is the generated client of the data plane. Its answers are as they came: see Verdict and WebhookVerdict for
// what a caller of its Verify and VerifyWebhook must look at.
func (c *Client) Service() v1.CountersignServiceClient { return v1.NewCountersignServiceClient(c.conn) }

// Secrets is the generated client of the secrets.
func (c *Client) Secrets() v1.SecretServiceClient { return v1.NewSecretServiceClient(c.conn) }

// Format prints where the client calls, and no token, whatever the verb.
func (c *Client) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "countersign.Client(%s)", c.server) }

// VerifyWebhook checks a delivery: the headers and the raw bytes of the body as they came off the socket, before any
// parser. WireHeaders says which headers are sent; of a platform that has one value for each name, as AWS Lambda does,
// make the http.Header with its Set. A refused delivery is a verdict, not an error.
func (c *Client) VerifyWebhook(
	ctx context.Context, secret string, header http.Header, body []byte, options ...WebhookOption,
) (*WebhookVerdict, error) {
	answer, err := c.Service().VerifyWebhook(ctx, WebhookRequest(secret, header, body, options...))
	if err != nil {
		return nil, err
	}
	return webhookVerdict(answer)
}

// WebhookRequest is what VerifyWebhook sends, for Explain and BatchVerify.
func WebhookRequest(secret string, header http.Header, body []byte, options ...WebhookOption) *v1.VerifyWebhookRequest {
	var more webhookOptions
	for _, option := range options {
		option(&more)
	}
	return &v1.VerifyWebhookRequest{
		Secret:  secret,
		Headers: WireHeaders(header, more.credentials...),
		Payload: &v1.VerifyWebhookRequest_Body{Body: body},
		Method:  more.method,
		Url:     more.url,
	}
}

// WebhookOption adds to a delivery what only some schemes need.
type WebhookOption func(*webhookOptions)

type webhookOptions struct {
	method, url string
	credentials []string
}

// WithMethod gives the HTTP method, for schemes that sign it.
func WithMethod(method string) WebhookOption { return func(o *webhookOptions) { o.method = method } }

// WithURL gives the public URL as registered with the vendor, for schemes that sign it.
func WithURL(url string) WebhookOption { return func(o *webhookOptions) { o.url = url } }

// WithCredentials sends headers of these names too, which are left out otherwise: monday.webhook needs authorization.
func WithCredentials(names ...string) WebhookOption {
	return func(o *webhookOptions) { o.credentials = append(o.credentials, names...) }
}

// Verify checks the proof of an identity that a client claims: Hash or Token, or the zero Proof where none came. Of a
// token the claim may be empty. A refused proof is a verdict, not an error.
func (c *Client) Verify(ctx context.Context, secret string, claimed Identity, proof Proof) (*Verdict, error) {
	wire, err := claimed.wire("claimed")
	if err != nil {
		return nil, err
	}
	request := &v1.VerifyRequest{Secret: secret, Claimed: wire}
	switch {
	case proof.hash != nil:
		request.Proof = &v1.VerifyRequest_Hash{Hash: *proof.hash}
	case proof.token != nil:
		request.Proof = &v1.VerifyRequest_Token{Token: *proof.token}
	}
	answer, err := c.Service().Verify(ctx, request)
	if err != nil {
		return nil, err
	}
	return verdict(answer)
}

// Sign makes a proof, of an Identity, a Webhook or a ResourceID, as the purpose of the secret wants.
func (c *Client) Sign(ctx context.Context, secret string, input Signable, options ...SignOption) (*Signed, error) {
	request := &v1.SignRequest{Secret: secret}
	if err := input.sign(request); err != nil {
		return nil, err
	}
	for _, option := range options {
		option(request)
	}
	answer, err := c.Service().Sign(ctx, request)
	if err != nil {
		return nil, err
	}
	return signed(answer)
}

// SignOption changes how something is signed.
type SignOption func(*v1.SignRequest)

// WithTTL says how long a token is valid. Without it the scheme's default holds.
func WithTTL(ttl time.Duration) SignOption {
	return func(request *v1.SignRequest) { request.Ttl = durationpb.New(ttl) }
}

// Signable is what can be signed: an Identity, a Webhook or a ResourceID.
type Signable interface {
	sign(*v1.SignRequest) error
}

// ResourceID is an id to make unguessable.
type ResourceID string

func (id ResourceID) sign(request *v1.SignRequest) error {
	request.Input = &v1.SignRequest_ResourceId{ResourceId: string(id)}
	return nil
}

// Webhook is a delivery to sign as the vendor would.
type Webhook struct {
	// The exact bytes that will be sent.
	Body []byte
	// The delivery id. Empty: one is made.
	ID string
	// The time of signing. Zero: now.
	Time time.Time
	// Headers that the scheme signs or reads, such as Content-Type. All of them are sent.
	Header http.Header
	// The method and the URL, for schemes that sign them. Empty: POST, and the secret's parameter url.
	Method, URL string
}

func (w Webhook) sign(request *v1.SignRequest) error {
	delivery := &v1.WebhookToSign{
		Id: w.ID, Body: w.Body, Headers: allHeaders(w.Header), Method: w.Method, Url: w.URL,
	}
	if !w.Time.IsZero() {
		delivery.Timestamp = timestamppb.New(w.Time)
	}
	request.Input = &v1.SignRequest_Webhook{Webhook: delivery}
	return nil
}

// RotateSecret makes a new version of a secret. Without a RequestId one is made; give one to be able to repeat a call
// whose answer was lost: the same id with the same arguments never rotates twice.
func (c *Client) RotateSecret(ctx context.Context, request *v1.RotateSecretRequest) (*NewVersion, error) {
	request = proto.CloneOf(request)
	request.RequestId = orNew(request.RequestId)
	answer, err := c.Secrets().RotateSecret(ctx, request)
	if err != nil {
		return nil, err
	}
	return &NewVersion{answer.GetSecret(), answer.GetVersion(), answer.GetRevealedKey(), request.RequestId}, nil
}

// CreateSecret creates a secret with its first version. The RequestId is as in RotateSecret.
func (c *Client) CreateSecret(ctx context.Context, request *v1.CreateSecretRequest) (*NewVersion, error) {
	request = proto.CloneOf(request)
	request.RequestId = orNew(request.RequestId)
	answer, err := c.Secrets().CreateSecret(ctx, request)
	if err != nil {
		return nil, err
	}
	return &NewVersion{answer.GetSecret(), answer.GetVersion(), answer.GetRevealedKey(), request.RequestId}, nil
}

// Explain says why a check fails and what to change, for a person who repairs an integration. Its answer is no verdict.
// See WebhookRequest for how to make the check of a delivery.
func (c *Client) Explain(ctx context.Context, request *v1.ExplainRequest) (*v1.ExplainResponse, error) {
	return c.Service().Explain(ctx, request)
}

func orNew(id string) string {
	if id == "" {
		return rand.Text()
	}
	return id
}
