package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	countersign "countersign.internal/sdk/go"
)

func TestThePageGetsProofsThatHold(t *testing.T) {
	client, err := countersign.New()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	user := signedInUser(nil)
	for vendor, proof := range map[string]func(fields map[string]string) countersign.Proof{
		"chatwoot": func(fields map[string]string) countersign.Proof { return countersign.Hash(fields["identifier_hash"]) },
		"pylon":    func(fields map[string]string) countersign.Proof { return countersign.Hash(fields["email_hash"]) },
		"kaltalk":  func(fields map[string]string) countersign.Proof { return countersign.Token(fields["userJwt"]) },
		"talkjs":   func(fields map[string]string) countersign.Proof { return countersign.Token(fields["token"]) },
	} {
		answer := get(client, "/chat/"+vendor)
		var fields map[string]string
		if err := json.Unmarshal(answer.Body.Bytes(), &fields); err != nil || answer.Code != http.StatusOK {
			t.Fatal(vendor, answer, err)
		}
		verdict, err := client.Verify(t.Context(), widgets[vendor].secret, user, proof(fields))
		if err != nil || !verdict.IsVerified() {
			t.Error(vendor, verdict, err)
		}
	}
}

func TestThereIsNoOtherWidget(t *testing.T) {
	client, err := countersign.New()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if answer := get(client, "/chat/nobody"); answer.Code != http.StatusNotFound {
		t.Error(answer)
	}
}

func TestAnOutageGivesNoProof(t *testing.T) {
	client, err := countersign.New(countersign.WithServer("http://127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if answer := get(client, "/chat/chatwoot"); answer.Code != http.StatusServiceUnavailable {
		t.Error(answer)
	}
}

func get(client *countersign.Client, path string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	routes(client).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
	return answer
}
