package countersign_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	countersign "countersign.internal/sdk/go"
	v1 "countersign.internal/sdk/go/v1"
)

func sprint(value any) string { return fmt.Sprint(value) }

// fake answers what a real server never does, and keeps what it was called with.
type fake struct {
	v1.UnimplementedCountersignServiceServer
	refusals int
	verdict  *v1.VerifyResponse
	webhook  *v1.VerifyWebhookResponse
	signed   *v1.SignResponse

	mutex    sync.Mutex
	attempts []attempt
}

type attempt struct {
	at   time.Time
	left time.Duration
	sent metadata.MD
}

func (f *fake) call(ctx context.Context) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	sent, _ := metadata.FromIncomingContext(ctx)
	end, _ := ctx.Deadline()
	f.attempts = append(f.attempts, attempt{time.Now(), time.Until(end), sent})
	if len(f.attempts) <= f.refusals {
		return status.Error(codes.Unavailable, "not now")
	}
	return nil
}

func (f *fake) Verify(ctx context.Context, _ *v1.VerifyRequest) (*v1.VerifyResponse, error) {
	return f.verdict, f.call(ctx)
}

func (f *fake) VerifyWebhook(ctx context.Context, _ *v1.VerifyWebhookRequest) (*v1.VerifyWebhookResponse, error) {
	return f.webhook, f.call(ctx)
}

func (f *fake) Sign(ctx context.Context, _ *v1.SignRequest) (*v1.SignResponse, error) {
	if f.signed == nil {
		f.signed = &v1.SignResponse{Hash: "00", Version: &v1.VersionUse{Number: 1, State: 2}}
	}
	return f.signed, f.call(ctx)
}

// serve runs the fake until the test ends and answers its URL. It may run in a goroutine of its own.
func serve(t testing.TB, address string, f *fake) string {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Error(err)
		return ""
	}
	server := grpc.NewServer()
	v1.RegisterCountersignServiceServer(server, f)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return "http://" + listener.Addr().String()
}

func TestAllAttemptsOfACallShareItsIdAndItsDeadline(t *testing.T) {
	server := &fake{refusals: 2}
	client := connect(t, countersign.WithServer(serve(t, "127.0.0.1:0", server)), countersign.WithToken("correct-horse"))
	for range 2 {
		_, err := client.Sign(t.Context(), "a", ada)
		ok(t, err)
	}
	same(t, len(server.attempts), 4)
	ids := map[string]int{}
	for _, attempt := range server.attempts {
		id := attempt.sent.Get("countersign-call-id")
		same(t, len(id), 1)
		ids[id[0]]++
		same(t, strings.Join(attempt.sent.Get("authorization"), ""), "Bearer correct-horse")
		same(t, attempt.left > 4*time.Second && attempt.left <= 5*time.Second, true)
	}
	same(t, len(ids), 2)
	same(t, ids[server.attempts[0].sent.Get("countersign-call-id")[0]], 3)
	same(t, server.attempts[2].left < server.attempts[0].left, true)
	pause, next := server.attempts[1].at.Sub(server.attempts[0].at), server.attempts[2].at.Sub(server.attempts[1].at)
	same(t, pause > 70*time.Millisecond && next > 140*time.Millisecond, true)
}

func TestThreeAttemptsAreMadeAndNoMore(t *testing.T) {
	server := &fake{refusals: 9}
	client := connect(t, countersign.WithServer(serve(t, "127.0.0.1:0", server)))
	_, err := client.Sign(t.Context(), "a", ada)
	fails(t, err, codes.Unavailable)
	same(t, len(server.attempts), 3)
}

func TestAnAnswerThatIsNotUnderstoodIsNoVerdict(t *testing.T) {
	good := func() *v1.VerifyResponse {
		return &v1.VerifyResponse{Decision: 1, Trust: 1, Shield: 1, Verified: &v1.Identity{Id: "u"}}
	}
	server := &fake{verdict: good()}
	client := connect(t, countersign.WithServer(serve(t, "127.0.0.1:0", server)))
	verify := func() (*countersign.Verdict, error) {
		return client.Verify(t.Context(), "a", ada, countersign.Hash("00"))
	}
	verdict, err := verify()
	ok(t, err)
	same(t, verdict.IsVerified(), true)
	for _, spoil := range []func(*v1.VerifyResponse){
		func(v *v1.VerifyResponse) { v.Decision = 0 },
		func(v *v1.VerifyResponse) { v.Decision = 77 },
		func(v *v1.VerifyResponse) { v.Trust = 0 },
		func(v *v1.VerifyResponse) { v.Trust = 77 },
		func(v *v1.VerifyResponse) { v.Shield = 77 },
		func(v *v1.VerifyResponse) { v.Verified = nil },
		func(v *v1.VerifyResponse) { v.Version = &v1.VersionUse{Number: 1, State: 77} },
		func(v *v1.VerifyResponse) { v.Reset() },
	} {
		server.verdict = good()
		spoil(server.verdict)
		verdict, err := verify()
		fails(t, err, codes.Internal)
		same(t, verdict.IsVerified() || verdict.IsAllowed(), false)
	}
	server.verdict = &v1.VerifyResponse{Decision: 2, Trust: 2, Shield: 2, Reason: 77}
	verdict, err = verify()
	ok(t, err)
	same(t, verdict.IsAllowed(), false)
	same(t, countersign.Name(verdict.Reason), "UNRECOGNIZED")
}

func TestAWebhooksAnswerThatIsNotUnderstoodIsNoVerdict(t *testing.T) {
	server := &fake{webhook: &v1.VerifyWebhookResponse{Decision: 1}}
	client := connect(t, countersign.WithServer(serve(t, "127.0.0.1:0", server)))
	verdict, err := client.VerifyWebhook(t.Context(), "a", nil, nil)
	ok(t, err)
	same(t, verdict.IsEvent(), true)
	for _, answer := range []*v1.VerifyWebhookResponse{
		{}, {Decision: 77},
		{Decision: 1, Replay: 77},
		{Decision: 1, Proven: []v1.ProvenPart{1, 77}},
		{Decision: 1, Version: &v1.VersionUse{Number: 1}},
		{Decision: 1, Handshake: &v1.Handshake{}},
		{Decision: 1, Handshake: &v1.Handshake{Status: 200, Headers: []*v1.Header{{Name: "a b"}}}},
		{Decision: 1, Handshake: &v1.Handshake{Status: 200, Headers: []*v1.Header{{Name: "a", Value: "b\r\nc: d"}}}},
	} {
		server.webhook = answer
		verdict, err := client.VerifyWebhook(t.Context(), "a", nil, nil)
		fails(t, err, codes.Internal)
		same(t, verdict.IsVerified() || verdict.IsAllowed() || verdict.IsEvent(), false)
	}
}

func TestAnAnswerWithoutAProofIsAnError(t *testing.T) {
	version := &v1.VersionUse{Number: 1, State: 2}
	server := &fake{}
	client := connect(t, countersign.WithServer(serve(t, "127.0.0.1:0", server)))
	for _, answer := range []*v1.SignResponse{{Version: version}, {Hash: "00"}, {Hash: "00", Token: "x", Version: version}} {
		server.signed = answer
		_, err := client.Sign(t.Context(), "a", ada)
		fails(t, err, codes.Internal)
	}
}
