// Command door answers the questions of the doors test (sdk/README.md) through the SDK.
package main

import (
	"context"
	"errors"
	"log"
	"net/http"

	countersign "countersign.internal/sdk/go"
	"countersign.internal/sdk/go/internal/doors"
)

func main() {
	client, err := countersign.New()
	if err != nil {
		log.Fatal("door: ", err)
	}
	defer client.Close()
	doors.Run(func(question doors.Question) any {
		answer, err := ask(context.Background(), client, question)
		if err != nil {
			return failed(question.ID, err)
		}
		return answer
	})
}

func ask(ctx context.Context, client *countersign.Client, q doors.Question) (any, error) {
	switch q.Rpc {
	case "VerifyWebhook":
		header := http.Header{}
		for _, one := range q.Headers {
			header.Add(one[0], one[1])
		}
		verdict, err := client.VerifyWebhook(ctx, q.Secret, header, q.Body, countersign.WithMethod(q.Method),
			countersign.WithURL(q.URL), countersign.WithCredentials("authorization"))
		if err != nil {
			return nil, err
		}
		return webhook(q.ID, verdict), nil
	case "Verify":
		proof := countersign.Proof{}
		if q.Hash != nil {
			proof = countersign.Hash(*q.Hash)
		} else if q.Token != nil {
			proof = countersign.Token(*q.Token)
		}
		verdict, err := client.Verify(ctx, q.Secret, identity(q.Claimed), proof)
		if err != nil {
			return nil, err
		}
		return identityVerdict(q.ID, verdict), nil
	case "Sign":
		signed, err := client.Sign(ctx, q.Secret, identity(q.Identity))
		if err != nil {
			return nil, err
		}
		return doors.Signed{
			ID:      q.ID,
			Hash:    doors.Said(signed.Hash),
			Token:   doors.Said(signed.Token),
			Version: signed.Version.Number,
			State:   countersign.Name(signed.Version.State),
		}, nil
	}
	return nil, errors.New("no such rpc: " + q.Rpc)
}

func webhook(id string, verdict *countersign.WebhookVerdict) doors.Webhook {
	answer := doors.Webhook{
		ID:           id,
		Decision:     countersign.Name(verdict.Decision),
		Reason:       doors.Said(countersign.Name(verdict.Reason)),
		Proven:       []string{},
		ProvenFields: append([]string{}, verdict.ProvenFields...),
	}
	answer.Version, answer.State = version(verdict.Version)
	for _, part := range verdict.Proven {
		answer.Proven = append(answer.Proven, countersign.Name(part))
	}
	if verdict.Handshake != nil {
		answer.Handshake = &verdict.Handshake.Name
	}
	return answer
}

func identityVerdict(id string, verdict *countersign.Verdict) doors.Verdict {
	answer := doors.Verdict{
		ID:       id,
		Decision: countersign.Name(verdict.Decision),
		Reason:   doors.Said(countersign.Name(verdict.Reason)),
		Trust:    countersign.Name(verdict.Trust),
		Shield:   countersign.Name(verdict.Shield),
		Verified: (*doors.Identity)(verdict.Verified),
		Claimed:  (*doors.Identity)(verdict.Claimed),
	}
	answer.Version, answer.State = version(verdict.Version)
	return answer
}

func version(used *countersign.VersionUse) (*uint32, *string) {
	if used == nil {
		return nil, nil
	}
	return &used.Number, doors.Said(countersign.Name(used.State))
}

func identity(asked *doors.Identity) countersign.Identity {
	if asked == nil {
		return countersign.Identity{}
	}
	return countersign.Identity(*asked)
}

func failed(id string, err error) doors.Failed {
	failure := new(countersign.Error)
	if !errors.As(err, &failure) {
		log.Fatal("door: ", err)
	}
	told := doors.Error{Code: failure.CodeName(), Reason: doors.Said(failure.Reason), Fields: []string{}}
	for _, violation := range failure.Violations {
		told.Fields = append(told.Fields, violation.Field)
	}
	return doors.Failed{ID: id, Error: told}
}
