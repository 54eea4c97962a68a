package countersign

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	v1 "countersign.internal/sdk/go/v1"
)

// Identity has the plain fields of a chat user. An empty text is a field that is not there.
type Identity struct {
	// The user's stable id in the host application.
	ID string
	// The user's email address.
	Email string
	// The user's display name.
	Name string
	// Further fields, as encoding/json has them; of a token, the remaining claims. The service refuses whole numbers
	// beyond 2^53 - 1, which the wire cannot carry: give them as text.
	Attributes map[string]any
}

// Proof is the proof of an identity that came with a request. The zero value is none.
type Proof struct{ hash, token *string }

// Hash is the proof of an identity hash secret. An empty one is a bad proof, not a missing one.
func Hash(hash string) Proof { return Proof{hash: &hash} }

// Token is the proof of an identity token secret: a compact JWS.
func Token(token string) Proof { return Proof{token: &token} }

// wire takes the name of the field that the identity stands in.
func (i Identity) wire(field string) (*v1.Identity, error) {
	wire := &v1.Identity{Id: i.ID, Email: i.Email, Name: i.Name}
	if len(i.Attributes) == 0 {
		return wire, nil
	}
	attributes, err := structpb.NewStruct(i.Attributes)
	if err != nil {
		return nil, &Error{Code: codes.InvalidArgument, Message: "the identity cannot be sent", Violations: []Violation{{
			field + ".attributes", "must hold what JSON can"}}}
	}
	wire.Attributes = attributes
	return wire, nil
}

func (i Identity) sign(request *v1.SignRequest) error {
	wire, err := i.wire("identity")
	request.Input = &v1.SignRequest_Identity{Identity: wire}
	return err
}

func identity(wire *v1.Identity) *Identity {
	if wire == nil {
		return nil
	}
	i := &Identity{ID: wire.GetId(), Email: wire.GetEmail(), Name: wire.GetName()}
	if wire.GetAttributes() != nil {
		i.Attributes = wire.GetAttributes().AsMap()
	}
	return i
}
