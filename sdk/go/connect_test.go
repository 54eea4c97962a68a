package countersign_test

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	countersign "countersign.internal/sdk/go"
	v1 "countersign.internal/sdk/go/v1"
)

func TestATokenIsTheCallersOverTls(t *testing.T) {
	client := connect(t, at("TESTBED_TLS_SERVER"), token(t, "TESTBED_TOKEN_FILE"), countersign.WithCA(file(t, "TESTBED_CA")))
	_, err := client.Sign(t.Context(), "demo/chatwoot-identity", ada)
	ok(t, err)
}

func TestWithoutATokenNothingIsAnswered(t *testing.T) {
	client := connect(t, at("TESTBED_TLS_SERVER"), countersign.WithCA(file(t, "TESTBED_CA")))
	_, err := client.Sign(t.Context(), "demo/chatwoot-identity", ada)
	same(t, fails(t, err, codes.Unauthenticated).Reason != "", true)
}

func TestATokenMayDoWhatItIsGrantedAndNoMore(t *testing.T) {
	client := connect(t, at("TESTBED_TLS_SERVER"), token(t, "TESTBED_READER_TOKEN_FILE"), countersign.WithCA(file(t, "TESTBED_CA")))
	verdict, err := client.Verify(t.Context(), "demo/chatwoot-identity", ada, countersign.Proof{})
	ok(t, err)
	same(t, countersign.Name(verdict.Reason), "PROOF_MISSING")
	_, err = client.Sign(t.Context(), "demo/chatwoot-identity", ada)
	same(t, fails(t, err, codes.PermissionDenied).Reason != "", true)
}

func TestAClientCertificateStandsForAToken(t *testing.T) {
	client := connect(t, at("TESTBED_TLS_SERVER"), countersign.WithCA(file(t, "TESTBED_CA")),
		countersign.WithClientCertificate(file(t, "TESTBED_CLIENT_CERT"), file(t, "TESTBED_CLIENT_KEY")))
	_, err := client.Sign(t.Context(), "demo/chatwoot-identity", ada)
	ok(t, err)
}

func TestAServerOfAnotherAuthorityIsNotTrusted(t *testing.T) {
	other := countersign.WithCA(file(t, "TESTBED_CLIENT_CERT"))
	for _, authority := range [][]countersign.Option{nil, {other}} {
		client := connect(t, append(authority, at("TESTBED_TLS_SERVER"), token(t, "TESTBED_TOKEN_FILE"))...)
		_, err := client.Sign(t.Context(), "demo/chatwoot-identity", ada)
		failure := fails(t, err, codes.Unavailable)
		same(t, strings.Contains(failure.Message, "certificate"), true)
	}
}

func TestATokenStaysOffTheNetworkInTheClear(t *testing.T) {
	for _, server := range []string{
		"http://countersign.internal:50051", "http://10.0.0.1:50051", "http://127.0.0.1.example.com", "http://localhost.example.com",
	} {
		_, err := countersign.New(countersign.WithServer(server), countersign.WithToken("correct-horse"))
		failure := fails(t, err, codes.InvalidArgument)
		same(t, strings.Contains(failure.Message, "plain http"), true)
		same(t, strings.Contains(err.Error(), "horse"), false)
		connect(t, countersign.WithServer(server))
	}
	for _, server := range []string{
		"http://127.0.0.1:50051", "http://localhost:50051", "http://[::1]:50051", "https://countersign.internal",
	} {
		connect(t, countersign.WithServer(server), countersign.WithToken("correct-horse"))
	}
}

func TestSettingsThatCannotBeUsedAreSaidAtOnce(t *testing.T) {
	pem, certificate := file(t, "TESTBED_CA"), file(t, "TESTBED_CLIENT_CERT")
	https := countersign.WithServer("https://localhost:1")
	for what, options := range map[string][]countersign.Option{
		"no scheme":          {countersign.WithServer("127.0.0.1:50051")},
		"another scheme":     {countersign.WithServer("ftp://localhost")},
		"no host":            {countersign.WithServer("http://:50051")},
		"a path":             {countersign.WithServer("http://localhost/secret-horse")},
		"a password":         {countersign.WithServer("http://user:secret-horse@localhost")},
		"no URL":             {countersign.WithServer("http://secret-horse\x7f")},
		"a newline":          {https, countersign.WithToken("secret-horse\n")},
		"an empty token":     {https, countersign.WithToken("")},
		"no PEM":             {https, countersign.WithCA([]byte("x"))},
		"no key":             {https, countersign.WithClientCertificate(certificate, nil)},
		"plain with a CA":    {countersign.WithServer("http://localhost"), countersign.WithCA(pem)},
		"no time for a call": {countersign.WithDeadline(0)},
	} {
		_, err := countersign.New(options...)
		if fails(t, err, codes.InvalidArgument); strings.Contains(err.Error(), "horse") {
			t.Fatal(what, err)
		}
	}
}

func TestTheEnvironmentNamesServerAndToken(t *testing.T) {
	same(t, strings.Contains(os.ExpandEnv("$COUNTERSIGN_SERVER"), "127.0.0.1"), true)
	t.Setenv("COUNTERSIGN_TOKEN", "correct-horse")
	t.Setenv("COUNTERSIGN_SERVER", "http://10.0.0.1:1")
	_, err := countersign.New()
	fails(t, err, codes.InvalidArgument)
	t.Setenv("COUNTERSIGN_SERVER", "")
	client := connect(t)
	same(t, strings.Contains(strings.TrimSpace(sprint(client)), "http://127.0.0.1:50051"), true)
}

func TestAServerThatIsNotThereIsAnError(t *testing.T) {
	client := connect(t, countersign.WithServer("http://"+unused(t)))
	verdict, err := client.VerifyWebhook(t.Context(), "demo/stripe-webhook", nil, nil)
	fails(t, err, codes.Unavailable)
	same(t, verdict == nil, true)
}

func TestAServerThatComesBackIsFoundByARetry(t *testing.T) {
	address := unused(t)
	client := connect(t, countersign.WithServer("http://"+address))
	time.AfterFunc(50*time.Millisecond, func() { serve(t, address, new(fake)) })
	_, err := client.Sign(t.Context(), "a", ada)
	ok(t, err)
}

func TestACallIsRepeatedWhereThatIsHarmless(t *testing.T) {
	client := connect(t, at("TESTBED_FLAKY_SERVER"))
	body := make([]byte, 1<<20)
	signed, err := client.Sign(t.Context(), "demo/stripe-webhook", countersign.Webhook{Body: body})
	ok(t, err)
	verdict, err := client.VerifyWebhook(t.Context(), "demo/stripe-webhook", signed.Header, body)
	ok(t, err)
	same(t, verdict.IsVerified(), true)
	_, err = client.Verify(t.Context(), "demo/chatwoot-identity", ada, countersign.Proof{})
	ok(t, err)
	_, err = client.Secrets().ListSecrets(t.Context(), &v1.ListSecretsRequest{})
	ok(t, err)
	secret := create(t, client, "countersign.identity", v1.Mode_MODE_REQUIRED, 0)
	made, err := client.RotateSecret(t.Context(), &v1.RotateSecretRequest{Name: secret})
	ok(t, err)
	same(t, made.Number, 2)
	_, err = client.Secrets().RevokeVersion(t.Context(), &v1.RevokeVersionRequest{Name: secret, Version: 1})
	fails(t, err, codes.Unavailable)
	_, err = client.Service().BatchVerify(t.Context(), &v1.BatchVerifyRequest{})
	fails(t, err, codes.Unavailable)
}

// unused is an address that nobody listens on.
func unused(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	defer listener.Close()
	return listener.Addr().String()
}
