package countersign

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

const (
	defaultServer   = "http://127.0.0.1:50051"
	defaultDeadline = 5 * time.Second
	retryPause      = 100 * time.Millisecond
	// callID is shared by all attempts of a call, so that the service can tell a retry from a second delivery.
	callID = "countersign-call-id"
	// The largest body that a server can be set to take is 16 MiB. What does not fit is not repeated.
	retryBufferBytes = 20 << 20
	// The largest page of a list.
	maxAnswerBytes = 64 << 20
)

// What is repeated: calls that change nothing, and two that carry a request_id. Only when the server was not there.
const serviceConfig = `{
  "loadBalancingConfig": [{"round_robin": {}}],
  "methodConfig": [{
    "name": [
      {"service": "countersign.v1.CountersignService", "method": "Sign"},
      {"service": "countersign.v1.CountersignService", "method": "Verify"},
      {"service": "countersign.v1.CountersignService", "method": "VerifyWebhook"},
      {"service": "countersign.v1.SecretService", "method": "CreateSecret"},
      {"service": "countersign.v1.SecretService", "method": "RotateSecret"},
      {"service": "countersign.v1.SecretService", "method": "GetSecret"},
      {"service": "countersign.v1.SecretService", "method": "ListSecrets"},
      {"service": "countersign.v1.SchemeService", "method": "GetScheme"},
      {"service": "countersign.v1.SchemeService", "method": "ListSchemes"},
      {"service": "countersign.v1.TokenService", "method": "ListTokens"},
      {"service": "countersign.v1.AuditService", "method": "ListAuditRecords"}
    ],
    "retryPolicy": {
      "maxAttempts": 3,
      "initialBackoff": "0.1s",
      "maxBackoff": "1s",
      "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }]
}`

// Option is a setting of a client.
type Option func(*settings)

type settings struct {
	server           string
	token            *string
	deadline         time.Duration
	ca               []byte
	certificate, key []byte
}

// WithServer gives the server's URL, http://HOST:PORT or https://HOST:PORT.
func WithServer(url string) Option { return func(s *settings) { s.server = url } }

// WithToken gives the bearer token of every call.
func WithToken(token string) Option { return func(s *settings) { s.token = &token } }

// WithDeadline says how long a call may take in all, retries included: 5 seconds unless set. A context that ends
// earlier ends the call earlier.
func WithDeadline(deadline time.Duration) Option { return func(s *settings) { s.deadline = deadline } }

// WithCA gives the certificate authority (PEM) of the server's certificate, in place of those of the system.
func WithCA(pem []byte) Option { return func(s *settings) { s.ca = pem } }

// WithClientCertificate gives a client certificate with its chain, and its private key (both PEM).
func WithClientCertificate(certificate, key []byte) Option {
	return func(s *settings) { s.certificate, s.key = certificate, key }
}

// New makes a client. Without WithServer the variable COUNTERSIGN_SERVER holds, or else http://127.0.0.1:50051; without
// WithToken the variable COUNTERSIGN_TOKEN. It fails if the settings cannot be used, such as a token that would go
// over the network in the clear; whether the server is there shows at the first call.
func New(options ...Option) (*Client, error) {
	s := settings{server: os.Getenv("COUNTERSIGN_SERVER"), deadline: defaultDeadline}
	if token := os.Getenv("COUNTERSIGN_TOKEN"); token != "" {
		s.token = &token
	}
	for _, option := range options {
		option(&s)
	}
	if s.server == "" {
		s.server = defaultServer
	}
	if s.deadline <= 0 {
		return nil, unusable("the deadline is not longer than nothing")
	}
	server, err := parse(s.server)
	if err != nil {
		return nil, err
	}
	transport, err := s.transport(server)
	if err != nil {
		return nil, err
	}
	dial := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(serviceConfig),
		// A service config that somebody published in DNS must not change what is repeated.
		grpc.WithDisableServiceConfig(),
		grpc.WithUnaryInterceptor(intercept(s.deadline)),
		grpc.WithUserAgent("countersign-go"),
		// As quick as a retry, so that one finds a server that has just come back.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: retryPause, Multiplier: 2, Jitter: 0.2, MaxDelay: 5 * time.Second},
			MinConnectTimeout: s.deadline,
		}),
		grpc.WithDefaultCallOptions(
			grpc.MaxRetryRPCBufferSize(retryBufferBytes), grpc.MaxCallRecvMsgSize(maxAnswerBytes)),
	}
	if s.token != nil {
		credential, err := bearer(*s.token, server)
		if err != nil {
			return nil, err
		}
		dial = append(dial, grpc.WithPerRPCCredentials(credential))
	}
	conn, err := grpc.NewClient("dns:///"+hostPort(server), dial...)
	if err != nil {
		return nil, unusable("the server is not a URL: give http://HOST:PORT or https://HOST:PORT")
	}
	return &Client{conn: conn, server: server.Scheme + "://" + server.Host}, nil
}

func parse(text string) (*url.URL, error) {
	server, err := url.Parse(text)
	known := err == nil && (server.Scheme == "http" || server.Scheme == "https")
	if !known || server.Hostname() == "" || server.User != nil || strings.Trim(server.Path, "/") != "" ||
		server.RawQuery != "" || server.Fragment != "" {
		// Without the text: it may hold a password.
		return nil, unusable("the server is not a URL: give http://HOST:PORT or https://HOST:PORT")
	}
	return server, nil
}

func hostPort(server *url.URL) string {
	port := server.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[server.Scheme]
	}
	return net.JoinHostPort(server.Hostname(), port)
}

func (s *settings) transport(server *url.URL) (credentials.TransportCredentials, error) {
	if server.Scheme == "http" {
		if s.ca != nil || s.certificate != nil || s.key != nil {
			return nil, unusable("a certificate was given for an http:// server: use https://")
		}
		return insecure.NewCredentials(), nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.ca != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(s.ca) {
			return nil, unusable("the CA certificate is not PEM text with a certificate in it")
		}
	}
	if s.certificate != nil || s.key != nil {
		pair, err := tls.X509KeyPair(s.certificate, s.key)
		if err != nil {
			return nil, unusable("the client certificate and its key are not a pair of PEM texts")
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(config), nil
}

// bearerToken is the credential of every call.
type bearerToken struct {
	header string
	secure bool
}

func bearer(token string, server *url.URL) (bearerToken, error) {
	secure := server.Scheme == "https"
	if !secure && !isLoopback(server.Hostname()) {
		return bearerToken{}, unusable("a token is not sent over plain http to " + server.Hostname() +
			": use https://, or connect to a loopback address")
	}
	visible := func(r rune) bool { return r > ' ' && r <= '~' }
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return !visible(r) }) {
		return bearerToken{}, unusable(
			"the token is not visible ASCII text, without a line end: check the file or variable that it came from")
	}
	return bearerToken{"Bearer " + token, secure}, nil
}

// isLoopback is whether what is sent to this host stays on this machine. A name other than localhost is not looked up.
func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && address.IsLoopback()
}

func (b bearerToken) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": b.header}, nil
}

func (b bearerToken) RequireTransportSecurity() bool { return b.secure }

func (b bearerToken) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[redacted]") }

// intercept gives every call its deadline and its id, and makes its error one of ours. Attempts are made below it, so
// they share both.
func intercept(deadline time.Duration) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, request, answer any, conn *grpc.ClientConn,
		invoke grpc.UnaryInvoker, options ...grpc.CallOption,
	) error {
		ctx, cancel := context.WithTimeout(ctx, deadline)
		defer cancel()
		if sent, _ := metadata.FromOutgoingContext(ctx); len(sent.Get(callID)) == 0 {
			ctx = metadata.AppendToOutgoingContext(ctx, callID, rand.Text())
		}
		return callError(invoke(ctx, method, request, answer, conn, options...))
	}
}
