package doors_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const questions = `{"id":"1","rpc":"VerifyWebhook","secret":"demo/stripe-webhook","headers":[["X-A","1"],["X-A","2"],["Stripe-Signature","t=1,v1=00"]],"body":"e30=","method":"POST","url":"https://example.com"}
{"id":"2","rpc":"Verify","secret":"demo/chatwoot-identity","claimed":{"id":"u","email":"e","name":"n","attributes":{"k":[1,"x",null]}},"hash":"00"}
{"id":"3","rpc":"Verify","secret":"demo/kaltalk-token","token":"x.y.z"}
{"id":"4","rpc":"Verify","secret":"demo/chatwoot-identity"}
{"id":"5","rpc":"Sign","secret":"demo/chatwoot-identity","identity":{"id":"u"}}
{"id":"6","rpc":"Sign","secret":"demo/unknown","identity":{"id":"u"}}
{"id":"7","rpc":"Sign","secret":"demo/chatwoot-identity","identity":{"id":"\n"}}
`

const answers = `{"id":"1","decision":"DENY","reason":"SIGNATURE_MALFORMED","version":null,"state":null,"proven":[],"proven_fields":[],"handshake":null}
{"id":"2","decision":"DENY","reason":"SIGNATURE_MALFORMED","version":null,"state":null,"trust":"UNVERIFIED","shield":"CLEAR","verified":null,"claimed":{"id":"u","email":"e","name":"n","attributes":{"k":[1,"x",null]}}}
{"id":"3","decision":"DENY","reason":"TOKEN_MALFORMED","version":null,"state":null,"trust":"UNVERIFIED","shield":"CLEAR","verified":null,"claimed":null}
{"id":"4","decision":"DENY","reason":"PROOF_MISSING","version":null,"state":null,"trust":"UNVERIFIED","shield":"KEEP","verified":null,"claimed":null}
{"id":"5","hash":"HASH","token":null,"version":1,"state":"ACTIVE"}
{"id":"6","error":{"code":"NOT_FOUND","reason":"SECRET_NOT_FOUND","fields":[]}}
{"id":"7","error":{"code":"INVALID_ARGUMENT","reason":"FIELD_INVALID","fields":["identity.id"]}}
`

func TestBothProgramsAnswerAsTheDoorsTestWants(t *testing.T) {
	if os.Getenv("TESTBED_TLS_SERVER") == "" {
		t.Fatal("run the tests with sdk/go/check, or under the testbed: testbed go test ./...")
	}
	for _, name := range []string{"door", "doorraw"} {
		program := filepath.Join(t.TempDir(), name)
		if said, err := exec.Command("go", "build", "-o", program, "../"+name).CombinedOutput(); err != nil {
			t.Fatalf("%s: %s", err, said)
		}
		run := exec.Command(program)
		run.Stdin, run.Stderr = strings.NewReader(questions), os.Stderr
		out, err := run.Output()
		if err != nil {
			t.Fatal(err)
		}
		got, want := bytes.Split(out, []byte("\n")), bytes.Split([]byte(answers), []byte("\n"))
		if len(got) != len(want) {
			t.Fatalf("%s: %s", name, out)
		}
		for line := range want[:len(want)-1] {
			one, other := object(t, got[line]), object(t, want[line])
			if hash, ok := one["hash"].(string); ok && len(hash) == 64 {
				one["hash"] = "HASH"
			}
			if !reflect.DeepEqual(one, other) {
				t.Errorf("%s: %s is not %s", name, got[line], want[line])
			}
		}
	}
}

func object(t *testing.T, line []byte) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(line, &object); err != nil {
		t.Fatal(err)
	}
	return object
}
