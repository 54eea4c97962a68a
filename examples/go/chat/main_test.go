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
	server := httptest.NewServer(routes(client))
	defer server.Close()

	request, _ := http.NewRequest(http.MethodGet, server.URL+"/widgets", nil)
	request.AddCookie(&http.Cookie{Name: "session", Value: "s3ss10n"})
	answer, err := http.DefaultClient.Do(request)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatal(answer, err)
	}
	defer answer.Body.Close()
	var page map[string]map[string]string
	if err := json.NewDecoder(answer.Body).Decode(&page); err != nil {
		t.Fatal(err)
	}
	user := sessions["s3ss10n"]
	for scheme, proof := range map[string]countersign.Proof{
		"chatwoot.identity": countersign.Hash(page["chatwoot.identity"]["identifier_hash"]),
		"pylon.identity":    countersign.Hash(page["pylon.identity"]["email_hash"]),
		"kaltalk.token":     countersign.Token(page["kaltalk.token"]["userJwt"]),
		"talkjs.token":      countersign.Token(page["talkjs.token"]["token"]),
	} {
		verdict, err := client.Verify(t.Context(), widgets[scheme], user, proof)
		if err != nil || !verdict.IsVerified() {
			t.Error(scheme, verdict, err)
		}
	}
	if identifier := page["chatwoot.identity"]["identifier"]; identifier != user.ID {
		t.Error(identifier)
	}
}

func TestNobodyElseGetsAProof(t *testing.T) {
	client, err := countersign.New()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, session := range []string{"", "forged"} {
		request := httptest.NewRequest(http.MethodGet, "/widgets", nil)
		request.AddCookie(&http.Cookie{Name: "session", Value: session})
		answer := httptest.NewRecorder()
		routes(client).ServeHTTP(answer, request)
		if answer.Code != http.StatusUnauthorized {
			t.Error(answer.Code)
		}
	}
}
