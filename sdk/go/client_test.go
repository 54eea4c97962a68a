package countersign_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	countersign "countersign.internal/sdk/go"
	v1 "countersign.internal/sdk/go/v1"
)

var ada = countersign.Identity{ID: "user-42", Email: "ada@example.com", Name: "Ada"}

func TestAHashProvesTheIdAndNothingElse(t *testing.T) {
	client := connect(t)
	signed, err := client.Sign(t.Context(), "demo/chatwoot-identity", ada)
	ok(t, err)
	same(t, len(signed.Hash), 64)
	same(t, signed.Version.State, v1.VersionState_VERSION_STATE_ACTIVE)

	verdict, err := client.Verify(t.Context(), "demo/chatwoot-identity", ada, countersign.Hash(signed.Hash))
	ok(t, err)
	same(t, verdict.IsVerified(), true)
	same(t, verdict.Verified.ID, "user-42")
	same(t, verdict.Verified.Email, "")
	same(t, verdict.Claimed.Email, "ada@example.com")
	same(t, verdict.Version.Number, signed.Version.Number)
	same(t, verdict.Shield, v1.Shield_SHIELD_SET)
}

func TestARefusedProofIsAVerdict(t *testing.T) {
	client := connect(t)
	signed, err := client.Sign(t.Context(), "demo/chatwoot-identity", ada)
	ok(t, err)
	mallory := countersign.Identity{ID: "mallory"}
	for proof, reason := range map[countersign.Proof]string{
		countersign.Hash(signed.Hash): "SIGNATURE_MISMATCH",
		countersign.Hash(""):          "SIGNATURE_MALFORMED",
		{}:                            "PROOF_MISSING",
	} {
		verdict, err := client.Verify(t.Context(), "demo/chatwoot-identity", mallory, proof)
		ok(t, err)
		same(t, verdict.IsVerified() || verdict.IsAllowed(), false)
		same(t, countersign.Name(verdict.Reason), reason)
		same(t, verdict.Verified == nil, true)
	}
}

func TestAnAllowedIdentityNeedNotBeProven(t *testing.T) {
	client := connect(t)
	secret := create(t, client, "chatwoot.identity", v1.Mode_MODE_OPTIONAL, 0)
	verdict, err := client.Verify(t.Context(), secret, ada, countersign.Hash(strings.Repeat("0", 64)))
	ok(t, err)
	same(t, verdict.IsAllowed(), true)
	same(t, verdict.IsVerified(), false)
	same(t, verdict.Trust, v1.Trust_TRUST_UNVERIFIED)
}

func TestATokenCarriesItsClaimsAndItsEnd(t *testing.T) {
	client := connect(t)
	claims := map[string]any{"plan": "pro", "seats": 3.0, "tags": []any{"a", nil, true}}
	identity := countersign.Identity{ID: "user-42", Attributes: claims}
	signed, err := client.Sign(t.Context(), "demo/kaltalk-token", identity, countersign.WithTTL(10*time.Minute))
	ok(t, err)
	same(t, signed.Proof(), signed.Token)
	left := time.Until(signed.ExpireTime)
	same(t, left > 9*time.Minute && left <= 11*time.Minute, true)

	verdict, err := client.Verify(t.Context(), "demo/kaltalk-token", countersign.Identity{}, countersign.Token(signed.Token))
	ok(t, err)
	same(t, verdict.IsVerified(), true)
	same(t, verdict.Verified.ID, "user-42")
	same(t, fmt.Sprint(verdict.Verified.Attributes), fmt.Sprint(claims))
	same(t, verdict.ProofExpireTime.Equal(signed.ExpireTime), true)
}

func TestANumberThatTheWireWouldChangeIsNotSigned(t *testing.T) {
	client := connect(t)
	for _, value := range []any{int64(1) << 60, []any{uint64(1) << 60}, map[string]any{"a": -(1<<53 + 1)}, make(chan int)} {
		identity := countersign.Identity{ID: "u", Attributes: map[string]any{"n": value}}
		_, err := client.Sign(t.Context(), "demo/kaltalk-token", identity)
		same(t, fails(t, err, codes.InvalidArgument).Violations[0].Field, "identity.attributes")
		_, err = client.Verify(t.Context(), "demo/kaltalk-token", identity, countersign.Token("x"))
		same(t, fails(t, err, codes.InvalidArgument).Violations[0].Field, "claimed.attributes")
	}
}

func TestAResourceIdIsTheSameTwice(t *testing.T) {
	client := connect(t)
	one, err := client.Sign(t.Context(), "demo/talkjs-conversation-id", countersign.ResourceID("order-7"))
	ok(t, err)
	two, err := client.Sign(t.Context(), "demo/talkjs-conversation-id", countersign.ResourceID("order-7"))
	ok(t, err)
	same(t, one.ResourceID, two.ResourceID)
	same(t, len(one.ResourceID) > 20, true)
}

// Text that is not UTF-8, bytes of every value, and the largest body that the service takes by default.
func TestABodyIsVerifiedByteForByte(t *testing.T) {
	client := connect(t)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for _, body := range [][]byte{nil, []byte("{\"name\":\"Zo\xeb \xff\"}\r\n"), every, bytes.Repeat([]byte("é"), 1<<19)} {
		signed, err := client.Sign(t.Context(), "demo/stripe-webhook", countersign.Webhook{Body: body})
		ok(t, err)
		verdict, err := client.VerifyWebhook(t.Context(), "demo/stripe-webhook", signed.Header, body)
		ok(t, err)
		same(t, verdict.IsEvent(), true)
		same(t, verdict.Proves(v1.ProvenPart_PROVEN_PART_BODY), true)
		same(t, verdict.Proves(v1.ProvenPart_PROVEN_PART_URL), false)
		same(t, verdict.Age >= 0 && verdict.Age < time.Minute && !verdict.SignedTime.IsZero(), true)

		tampered := append(slices.Clone(body[:max(len(body), 1)-1]), 'x')
		verdict, err = client.VerifyWebhook(t.Context(), "demo/stripe-webhook", signed.Header, tampered)
		ok(t, err)
		same(t, verdict.IsVerified() || verdict.IsAllowed(), false)
		same(t, verdict.Reason, v1.Reason_REASON_SIGNATURE_MISMATCH)
		same(t, verdict.Version == nil, true)
	}
}

func TestATimeAndAnIdCanBeGivenToADelivery(t *testing.T) {
	client := connect(t)
	old := countersign.Webhook{Body: []byte("{}"), ID: "msg_1", Time: time.Now().Add(-time.Hour)}
	signed, err := client.Sign(t.Context(), "demo/standard-webhook", old)
	ok(t, err)
	same(t, signed.Header.Get("Webhook-Id"), "msg_1")
	verdict, err := client.VerifyWebhook(t.Context(), "demo/standard-webhook", signed.Header, old.Body)
	ok(t, err)
	same(t, countersign.Name(verdict.Reason), "TIMESTAMP_TOO_OLD")
}

func TestARepeatedHeaderReachesTheService(t *testing.T) {
	client := connect(t)
	signed, err := client.Sign(t.Context(), "demo/slack-webhook", countersign.Webhook{Body: []byte("{}")})
	ok(t, err)
	signed.Header.Add("X-Slack-Request-Timestamp", signed.Header.Get("X-Slack-Request-Timestamp"))
	verdict, err := client.VerifyWebhook(t.Context(), "demo/slack-webhook", signed.Header, []byte("{}"))
	ok(t, err)
	same(t, countersign.Name(verdict.Reason), "HEADER_AMBIGUOUS")
}

func TestASchemeThatSignsTheUrlIsGivenIt(t *testing.T) {
	client := connect(t)
	made, err := client.CreateSecret(t.Context(), &v1.CreateSecretRequest{
		Name: name(t), Scheme: "trello.webhook", ImportedKey: "trello-secret-of-thirty-two-bytes",
	})
	ok(t, err)
	secret, body, url := made.Secret.GetName(), []byte("{}"), "https://example.com/hook?a=1"
	signed, err := client.Sign(t.Context(), secret, countersign.Webhook{Body: body, URL: url})
	ok(t, err)
	verdict, err := client.VerifyWebhook(t.Context(), secret, signed.Header, body, countersign.WithURL(url),
		countersign.WithMethod("POST"))
	ok(t, err)
	same(t, verdict.Proves(v1.ProvenPart_PROVEN_PART_URL), true)
	verdict, err = client.VerifyWebhook(t.Context(), secret, signed.Header, body, countersign.WithURL(url+"2"))
	ok(t, err)
	same(t, verdict.IsVerified(), false)
}

func TestAHandshakeComesWithItsAnswer(t *testing.T) {
	client := connect(t)
	body := []byte(`{"type":"url_verification","challenge":"abc"}`)
	signed, err := client.Sign(t.Context(), "demo/slack-webhook", countersign.Webhook{Body: body})
	ok(t, err)
	verdict, err := client.VerifyWebhook(t.Context(), "demo/slack-webhook", signed.Header, body)
	ok(t, err)
	same(t, verdict.IsVerified() && !verdict.IsEvent(), true)
	same(t, verdict.Handshake.Status, http.StatusOK)
	same(t, strings.Contains(string(verdict.Handshake.Body), "abc"), true)
}

func TestASecondDeliveryIsSeen(t *testing.T) {
	client := connect(t)
	body := []byte(`{"a":1}`)
	signed, err := client.Sign(t.Context(), "demo/github-webhook", countersign.Webhook{Body: body})
	ok(t, err)
	for _, replay := range []v1.Replay{v1.Replay_REPLAY_FIRST, v1.Replay_REPLAY_DUPLICATE} {
		verdict, err := client.VerifyWebhook(t.Context(), "demo/github-webhook", signed.Header, body)
		ok(t, err)
		same(t, verdict.IsVerified(), true)
		same(t, verdict.Replay, replay)
	}
}

func TestARotationIsMadeOnceForARequestId(t *testing.T) {
	client := connect(t)
	secret := create(t, client, "countersign.identity", v1.Mode_MODE_REQUIRED, 0)
	before, err := client.Sign(t.Context(), secret, ada)
	ok(t, err)
	request := &v1.RotateSecretRequest{Name: secret, RequestId: "rotation-of-go-1"}
	one, err := client.RotateSecret(t.Context(), request)
	ok(t, err)
	two, err := client.RotateSecret(t.Context(), request)
	ok(t, err)
	same(t, one.Number, 2)
	same(t, two.Number, 2)
	same(t, one.RevealedKey, two.RevealedKey)
	same(t, one.RevealedKey != "", true)

	verdict, err := client.Verify(t.Context(), secret, ada, countersign.Hash(before.Hash))
	ok(t, err)
	same(t, verdict.IsVerified(), true)
	same(t, verdict.Version.State, v1.VersionState_VERSION_STATE_GRACE)
	same(t, time.Until(verdict.Version.GraceEndTime) > 23*time.Hour, true)

	made := &v1.RotateSecretRequest{Name: secret}
	three, err := client.RotateSecret(t.Context(), made)
	ok(t, err)
	same(t, three.Number, 3)
	same(t, len(three.RequestID) >= 8, true)
	same(t, made.RequestId, "")
	four, err := client.RotateSecret(t.Context(), &v1.RotateSecretRequest{Name: secret, RequestId: three.RequestID})
	ok(t, err)
	same(t, four.Number, 3)
}

func TestAnErrorHasItsReasonAndTheFieldsAtFault(t *testing.T) {
	client := connect(t)
	_, err := client.Sign(t.Context(), "demo/unknown", ada)
	failure := fails(t, err, codes.NotFound)
	same(t, failure.Reason, "SECRET_NOT_FOUND")
	same(t, failure.CodeName(), "NOT_FOUND")
	same(t, status.Code(err), codes.NotFound)

	_, err = client.Sign(t.Context(), "demo/chatwoot-identity", countersign.Identity{ID: "line\nbreak"})
	failure = fails(t, err, codes.InvalidArgument)
	same(t, failure.Violations[0].Field, "identity.id")
	same(t, failure.Violations[0].Description != "", true)
	same(t, strings.Contains(err.Error(), "break"), false)

	_, err = client.Sign(t.Context(), "demo/chatwoot-identity", countersign.Webhook{})
	fails(t, err, codes.FailedPrecondition)
}

func TestTheGeneratedClientIsWithinReach(t *testing.T) {
	client := connect(t)
	schemes, err := v1.NewSchemeServiceClient(client.Conn()).ListSchemes(t.Context(), &v1.ListSchemesRequest{})
	ok(t, err)
	same(t, len(schemes.GetSchemes()) > 50, true)
	_, err = client.Secrets().GetSecret(t.Context(), &v1.GetSecretRequest{Name: "demo/unknown"})
	same(t, fails(t, err, codes.NotFound).Reason, "SECRET_NOT_FOUND")
}

func TestExplainNamesTheCause(t *testing.T) {
	client := connect(t)
	signed, err := client.Sign(t.Context(), "demo/stripe-webhook", countersign.Webhook{Body: []byte(`{"a": 1}`)})
	ok(t, err)
	request := countersign.WebhookRequest("demo/stripe-webhook", signed.Header, []byte(`{"a":1}`))
	why, err := client.Explain(t.Context(), &v1.ExplainRequest{Check: &v1.ExplainRequest_Webhook{Webhook: request}})
	ok(t, err)
	same(t, why.GetCauses()[0].GetCode(), v1.CauseCode_CAUSE_CODE_BODY_RESERIALISED)
}

func TestACallEndsAtItsDeadline(t *testing.T) {
	client := connect(t, at("TESTBED_SILENT_SERVER"), countersign.WithDeadline(200*time.Millisecond))
	began := time.Now()
	_, err := client.Sign(background, "demo/chatwoot-identity", ada)
	fails(t, err, codes.DeadlineExceeded)
	same(t, errors.Is(err, context.DeadlineExceeded), true)
	took := time.Since(began)
	same(t, took >= 200*time.Millisecond && took < 2*time.Second, true)

	patient := connect(t, at("TESTBED_SILENT_SERVER"))
	ctx, cancel := context.WithTimeout(background, 100*time.Millisecond)
	defer cancel()
	_, err = patient.Sign(ctx, "demo/chatwoot-identity", ada)
	fails(t, err, codes.DeadlineExceeded)
}

func TestACallCanBeCancelled(t *testing.T) {
	client := connect(t, at("TESTBED_SILENT_SERVER"))
	ctx, cancel := context.WithCancel(background)
	time.AfterFunc(100*time.Millisecond, cancel)
	began := time.Now()
	_, err := client.VerifyWebhook(ctx, "demo/stripe-webhook", nil, nil)
	fails(t, err, codes.Canceled)
	same(t, errors.Is(err, context.Canceled), true)
	same(t, time.Since(began) < 2*time.Second, true)
}

func TestProofsAndKeysShowInNoText(t *testing.T) {
	client := connect(t)
	signed, err := client.Sign(t.Context(), "demo/kaltalk-token", ada)
	ok(t, err)
	made, err := client.CreateSecret(t.Context(), &v1.CreateSecretRequest{Name: name(t), Scheme: "standard.webhook"})
	ok(t, err)
	guarded := connect(t, at("TESTBED_TLS_SERVER"), countersign.WithToken("correct-horse"), countersign.WithCA(file(t, "TESTBED_CA")))
	_, failure := guarded.Sign(t.Context(), "demo/kaltalk-token", ada)
	fails(t, failure, codes.Unauthenticated)

	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		for _, value := range []any{signed, *signed, made, *made, guarded, failure, countersign.Token(signed.Token)} {
			slog.New(handler).Info("seen", "value", value)
			fmt.Fprintf(&log, "%v %+v %#v %s %q %x\n", value, value, value, value, value, value)
		}
	}
	for _, secret := range []string{signed.Token, made.RevealedKey, "correct-horse", fmt.Sprintf("%x", "correct-horse")} {
		same(t, secret != "", true)
		same(t, strings.Contains(log.String(), secret), false)
	}
}
