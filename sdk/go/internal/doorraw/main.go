// Command doorraw answers the questions of the doors test (sdk/README.md) with the generated client alone.
package main

import (
	"context"
	"errors"
	"log"
	"os"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"countersign.internal/sdk/go/internal/doors"
	v1 "countersign.internal/sdk/go/v1"
)

func main() {
	// The doors test runs on one machine.
	server := strings.TrimPrefix(os.Getenv("COUNTERSIGN_SERVER"), "http://")
	conn, err := grpc.NewClient(server, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal("door: ", err)
	}
	defer conn.Close()
	ctx := context.Background()
	if token := os.Getenv("COUNTERSIGN_TOKEN"); token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	service := v1.NewCountersignServiceClient(conn)
	doors.Run(func(question doors.Question) any {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		answer, err := ask(ctx, service, question)
		if err != nil {
			return failed(question.ID, err)
		}
		return answer
	})
}

func ask(ctx context.Context, service v1.CountersignServiceClient, q doors.Question) (any, error) {
	switch q.Rpc {
	case "VerifyWebhook":
		request := &v1.VerifyWebhookRequest{
			Secret: q.Secret, Payload: &v1.VerifyWebhookRequest_Body{Body: q.Body}, Method: q.Method, Url: q.URL,
		}
		for _, one := range q.Headers {
			request.Headers = append(request.Headers, &v1.Header{Name: one[0], Value: one[1]})
		}
		answer, err := service.VerifyWebhook(ctx, request)
		if err != nil {
			return nil, err
		}
		return webhook(q.ID, answer), nil
	case "Verify":
		request := &v1.VerifyRequest{Secret: q.Secret, Claimed: wire(q.Claimed)}
		if q.Hash != nil {
			request.Proof = &v1.VerifyRequest_Hash{Hash: *q.Hash}
		} else if q.Token != nil {
			request.Proof = &v1.VerifyRequest_Token{Token: *q.Token}
		}
		answer, err := service.Verify(ctx, request)
		if err != nil {
			return nil, err
		}
		return verdict(q.ID, answer), nil
	case "Sign":
		identity := wire(q.Identity)
		if identity == nil {
			identity = &v1.Identity{}
		}
		answer, err := service.Sign(ctx, &v1.SignRequest{
			Secret: q.Secret, Input: &v1.SignRequest_Identity{Identity: identity},
		})
		if err != nil {
			return nil, err
		}
		number, state := version(answer.GetVersion())
		return doors.Signed{
			ID:      q.ID,
			Hash:    doors.Said(answer.GetHash()),
			Token:   doors.Said(answer.GetToken()),
			Version: *number,
			State:   *state,
		}, nil
	}
	return nil, errors.New("no such rpc: " + q.Rpc)
}

func webhook(id string, wire *v1.VerifyWebhookResponse) doors.Webhook {
	answer := doors.Webhook{
		ID:           id,
		Decision:     strings.TrimPrefix(wire.GetDecision().String(), "DECISION_"),
		Reason:       reason(wire.GetReason()),
		Proven:       []string{},
		ProvenFields: append([]string{}, wire.GetProvenFields()...),
	}
	answer.Version, answer.State = version(wire.GetVersion())
	for _, part := range wire.GetProven() {
		answer.Proven = append(answer.Proven, strings.TrimPrefix(part.String(), "PROVEN_PART_"))
	}
	if wire.GetHandshake() != nil {
		answer.Handshake = &wire.Handshake.Name
	}
	return answer
}

func verdict(id string, wire *v1.VerifyResponse) doors.Verdict {
	answer := doors.Verdict{
		ID:       id,
		Decision: strings.TrimPrefix(wire.GetDecision().String(), "DECISION_"),
		Reason:   reason(wire.GetReason()),
		Trust:    strings.TrimPrefix(wire.GetTrust().String(), "TRUST_"),
		Shield:   strings.TrimPrefix(wire.GetShield().String(), "SHIELD_"),
		Verified: identity(wire.GetVerified()),
		Claimed:  identity(wire.GetClaimed()),
	}
	answer.Version, answer.State = version(wire.GetVersion())
	return answer
}

func reason(wire v1.Reason) *string {
	if wire == v1.Reason_REASON_UNSPECIFIED {
		return nil
	}
	return doors.Said(strings.TrimPrefix(wire.String(), "REASON_"))
}

func version(used *v1.VersionUse) (*uint32, *string) {
	if used == nil {
		return nil, nil
	}
	return &used.Number, doors.Said(strings.TrimPrefix(used.GetState().String(), "VERSION_STATE_"))
}

func wire(asked *doors.Identity) *v1.Identity {
	if asked == nil {
		return nil
	}
	identity := &v1.Identity{Id: asked.ID, Email: asked.Email, Name: asked.Name}
	if asked.Attributes != nil {
		attributes, err := structpb.NewStruct(asked.Attributes)
		if err != nil {
			log.Fatal("door: ", err)
		}
		identity.Attributes = attributes
	}
	return identity
}

func identity(wire *v1.Identity) *doors.Identity {
	if wire == nil {
		return nil
	}
	identity := &doors.Identity{ID: wire.GetId(), Email: wire.GetEmail(), Name: wire.GetName()}
	if wire.GetAttributes() != nil {
		identity.Attributes = wire.GetAttributes().AsMap()
	}
	return identity
}

func failed(id string, err error) doors.Failed {
	told, ok := status.FromError(err)
	if !ok {
		log.Fatal("door: ", err)
	}
	failure := doors.Error{Code: code.Code(told.Code()).String(), Fields: []string{}}
	for _, detail := range told.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			failure.Reason = doors.Said(detail.GetReason())
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				failure.Fields = append(failure.Fields, violation.GetField())
			}
		}
	}
	return doors.Failed{ID: id, Error: failure}
}
