package countersign_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	countersign "countersign.internal/sdk/go"
	v1 "countersign.internal/sdk/go/v1"
)

// TestMain refuses to run without the servers: a test that is skipped shows nothing.
func TestMain(m *testing.M) {
	if os.Getenv("TESTBED_TLS_SERVER") == "" {
		fmt.Fprintln(os.Stderr, "run the tests with sdk/go/check, or under the testbed: testbed go test ./...")
		os.Exit(64)
	}
	os.Exit(m.Run())
}

// connect makes a client; without options that of the open server.
func connect(t testing.TB, options ...countersign.Option) *countersign.Client {
	t.Helper()
	client, err := countersign.New(options...)
	ok(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func at(variable string) countersign.Option { return countersign.WithServer(os.Getenv(variable)) }

// file reads the file that a variable names.
func file(t testing.TB, variable string) []byte {
	t.Helper()
	text, err := os.ReadFile(os.Getenv(variable))
	ok(t, err)
	return text
}

func token(t testing.TB, variable string) countersign.Option {
	t.Helper()
	return countersign.WithToken(strings.TrimSpace(string(file(t, variable))))
}

// create makes a secret of the scheme with a name of its own.
func create(t testing.TB, client *countersign.Client, scheme string, mode v1.Mode, policy v1.ReplayPolicy) string {
	t.Helper()
	made, err := client.CreateSecret(t.Context(), &v1.CreateSecretRequest{
		Name: name(t), Scheme: scheme, Mode: mode, ReplayPolicy: policy,
	})
	ok(t, err)
	return made.Secret.GetName()
}

func name(t testing.TB) string {
	return "demo/go/" + strings.ToLower(strings.NewReplacer("/", ".", "_", "-").Replace(t.Name()))
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fails is the *Error that err must be.
func fails(t testing.TB, err error, code codes.Code) *countersign.Error {
	t.Helper()
	failure := new(countersign.Error)
	if !errors.As(err, &failure) || failure.Code != code {
		t.Fatalf("not %v: %v", code, err)
	}
	return failure
}

func same[T comparable](t testing.TB, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%v is not %v", got, want)
	}
}

var background = context.Background()
