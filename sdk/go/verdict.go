package countersign

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "countersign.internal/sdk/go/v1"
)

// Verdict is the verdict on an identity.
type Verdict struct {
	// Go on or refuse, under the mode of the secret.
	Decision v1.Decision
	// How far the identity may be trusted.
	Trust v1.Trust
	// What to do with an earlier verified flag.
	Shield v1.Shield
	// Why the proof was not accepted; REASON_UNSPECIFIED when it was, or when nothing was checked.
	Reason v1.Reason
	// Just the fields that the proof covers; nil unless it holds.
	Verified *Identity
	// What was claimed and not proven; nil if nothing was.
	Claimed *Identity
	// The version that verified; nil unless the proof holds.
	Version *VersionUse
	// When the proof itself ends; zero for proofs without an end.
	ProofExpireTime time.Time
}

// IsVerified is whether the identity was proven. An allowed request need not be.
func (v *Verdict) IsVerified() bool {
	return v.IsAllowed() && v.Trust == v1.Trust_TRUST_VERIFIED && v.Verified != nil
}

// IsAllowed is whether the mode of the secret lets the request go on, proven or not.
func (v *Verdict) IsAllowed() bool { return v != nil && v.Decision == v1.Decision_DECISION_ALLOW }

// WebhookVerdict is the verdict on a webhook delivery.
type WebhookVerdict struct {
	// Process the delivery or refuse it.
	Decision v1.Decision
	// Why it was refused; REASON_UNSPECIFIED when it was not.
	Reason v1.Reason
	// When the delivery says that it was signed; zero unless the signature covers it.
	SignedTime time.Time
	// Now less SignedTime, by the service's clock; negative when the sender's clock is ahead.
	Age time.Duration
	// The vendor's delivery id. Proven says whether the signature covers it.
	DeliveryID string
	// What the signature really covers. Nothing else of the request is proven.
	Proven []v1.ProvenPart
	// Single fields that it covers besides, such as "query:data.id".
	ProvenFields []string
	// Whether this delivery was seen before; REPLAY_UNSPECIFIED on a refusal before that was looked at.
	Replay v1.Replay
	// The version that verified; nil on a refusal.
	Version *VersionUse
	// Set when this is the vendor's question whether the endpoint is yours, and no event: send this response. An
	// unsigned one is refused and answered all the same.
	Handshake *Handshake
}

// IsVerified is whether the delivery is genuine.
func (v *WebhookVerdict) IsVerified() bool {
	return v != nil && v.Decision == v1.Decision_DECISION_ALLOW
}

// IsAllowed is IsVerified: of a delivery that is no proof goes on.
func (v *WebhookVerdict) IsAllowed() bool { return v.IsVerified() }

// IsEvent is whether it is a genuine event to process: verified, and no handshake.
func (v *WebhookVerdict) IsEvent() bool { return v.IsVerified() && v.Handshake == nil }

// Proves is whether the signature covers this part.
func (v *WebhookVerdict) Proves(part v1.ProvenPart) bool {
	return v.IsVerified() && slices.Contains(v.Proven, part)
}

// Handshake is the HTTP response that a vendor's handshake wants.
type Handshake struct {
	// Which of the scheme's handshakes it is, such as "url_verification".
	Name   string
	Status int
	Header http.Header
	Body   []byte
}

// VersionUse says which version of a secret was used.
type VersionUse struct {
	// The version number, from 1.
	Number uint32
	// Its state when it was used.
	State v1.VersionState
	// When it stops verifying; zero unless it is in its grace.
	GraceEndTime time.Time
}

// Signed is a proof: one of Hash, Token, Header and ResourceID, by the purpose of the secret. A proof vouches for a user,
// so it shows neither in a printed text nor in a log.
type Signed struct {
	Hash, Token string
	// Of a webhook: the headers to send.
	Header     http.Header
	ResourceID string
	// The version that signed.
	Version VersionUse
	// When the proof stops being accepted by age; zero for proofs without a time.
	ExpireTime time.Time
	// Of a webhook: the body to send, where the scheme writes its signature into it; nil where the body stays.
	Body []byte
	// Of a webhook: the URL to send it to, where the scheme writes into its query; empty where the URL stays.
	URL string
}

// Proof is the hash or the token as text, to hand to the browser of the user; empty of a webhook or a resource id.
func (s *Signed) Proof() string { return s.Hash + s.Token }

// Format prints no part of the proof, whatever the verb.
func (s Signed) Format(f fmt.State, _ rune) {
	expires := ""
	if !s.ExpireTime.IsZero() {
		expires = fmt.Sprintf(", expires %v", s.ExpireTime)
	}
	fmt.Fprintf(f, "countersign.Signed(version %d%s)", s.Version.Number, expires)
}

// LogValue is the same for log/slog.
func (s Signed) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(s)) }

// NewVersion is a version that was just made. RevealedKey shows neither in a printed text nor in a log.
type NewVersion struct {
	// The secret, without keys.
	Secret *v1.Secret
	// The number of the new version.
	Number uint32
	// The generated key, shown just once; empty for an imported key.
	RevealedKey string
	// What the call was made with: the same id and arguments answer the same.
	RequestID string
}

// Format prints no key, whatever the verb.
func (n NewVersion) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "countersign.NewVersion(%s, version %d)", n.Secret.GetName(), n.Number)
}

// LogValue is the same for log/slog.
func (n NewVersion) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(n)) }

// Name is the name of an enum value without its prefix, such as SIGNATURE_MISMATCH of REASON_SIGNATURE_MISMATCH; empty of
// the unspecified one, UNRECOGNIZED of a number that this client does not know.
func Name(value protoreflect.Enum) string {
	known := value.Descriptor().Values()
	here := known.ByNumber(value.Number())
	if here == nil {
		return "UNRECOGNIZED"
	}
	if value.Number() == 0 {
		return ""
	}
	prefix := strings.TrimSuffix(string(known.ByNumber(0).Name()), "UNSPECIFIED")
	return strings.TrimPrefix(string(here.Name()), prefix)
}

func isKnown(value protoreflect.Enum) bool {
	return value.Descriptor().Values().ByNumber(value.Number()) != nil
}

// isSaid is whether an answer has this value and the client knows it.
func isSaid(value protoreflect.Enum) bool { return isKnown(value) && value.Number() != 0 }

// verdict makes sure that what is not understood never reads as a verdict. A refusal for an unknown reason is one.
func verdict(wire *v1.VerifyResponse) (*Verdict, error) {
	verified := wire.GetTrust() == v1.Trust_TRUST_VERIFIED
	switch {
	case !isSaid(wire.GetDecision()):
		return nil, unintelligible("decision")
	case !isSaid(wire.GetTrust()):
		return nil, unintelligible("trust")
	case !isSaid(wire.GetShield()):
		return nil, unintelligible("shield")
	case verified && wire.GetVerified() == nil:
		return nil, unintelligible("verified identity")
	}
	version, err := versionUse(wire.GetVersion())
	if err != nil {
		return nil, err
	}
	return &Verdict{
		Decision:        wire.GetDecision(),
		Trust:           wire.GetTrust(),
		Shield:          wire.GetShield(),
		Reason:          wire.GetReason(),
		Verified:        identity(wire.GetVerified()),
		Claimed:         identity(wire.GetClaimed()),
		Version:         version,
		ProofExpireTime: when(wire.GetProofExpireTime()),
	}, nil
}

func webhookVerdict(wire *v1.VerifyWebhookResponse) (*WebhookVerdict, error) {
	switch {
	case !isSaid(wire.GetDecision()):
		return nil, unintelligible("decision")
	case !isKnown(wire.GetReplay()):
		return nil, unintelligible("replay")
	case slices.ContainsFunc(wire.GetProven(), func(part v1.ProvenPart) bool { return !isSaid(part) }):
		return nil, unintelligible("proven part")
	}
	version, err := versionUse(wire.GetVersion())
	if err != nil {
		return nil, err
	}
	handshake, err := handshake(wire.GetHandshake())
	if err != nil {
		return nil, err
	}
	return &WebhookVerdict{
		Decision:     wire.GetDecision(),
		Reason:       wire.GetReason(),
		SignedTime:   when(wire.GetSignedTime()),
		Age:          wire.GetAge().AsDuration(),
		DeliveryID:   wire.GetDeliveryId(),
		Proven:       wire.GetProven(),
		ProvenFields: wire.GetProvenFields(),
		Replay:       wire.GetReplay(),
		Version:      version,
		Handshake:    handshake,
	}, nil
}

func handshake(wire *v1.Handshake) (*Handshake, error) {
	if wire == nil {
		return nil, nil
	}
	header, ok := httpHeader(wire.GetHeaders())
	status := wire.GetStatus()
	if !ok || status < 200 || status > 599 {
		return nil, unintelligible("handshake")
	}
	return &Handshake{wire.GetName(), int(status), header, wire.GetBody()}, nil
}

func versionUse(wire *v1.VersionUse) (*VersionUse, error) {
	if wire == nil {
		return nil, nil
	}
	if !isSaid(wire.GetState()) {
		return nil, unintelligible("version state")
	}
	return &VersionUse{wire.GetNumber(), wire.GetState(), when(wire.GetGraceEndTime())}, nil
}

func signed(wire *v1.SignResponse) (*Signed, error) {
	version, err := versionUse(wire.GetVersion())
	header, ok := httpHeader(wire.GetHeaders())
	if err != nil || !ok || version == nil || wire.GetHash() != "" && wire.GetToken() != "" {
		return nil, unintelligible("usable proof")
	}
	s := &Signed{
		Hash:       wire.GetHash(),
		Token:      wire.GetToken(),
		Header:     header,
		ResourceID: wire.GetResourceId(),
		Version:    *version,
		ExpireTime: when(wire.GetExpireTime()),
		Body:       wire.Body,
		URL:        wire.GetUrl(),
	}
	// A scheme may put all it signs into the body or the URL.
	if s.Proof() == "" && s.ResourceID == "" && len(header) == 0 && s.Body == nil && s.URL == "" {
		return nil, unintelligible("usable proof")
	}
	return s, nil
}

func when(wire *timestamppb.Timestamp) time.Time {
	if wire == nil {
		return time.Time{}
	}
	return wire.AsTime()
}
