package countersign

import (
	"context"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Error is why there is no verdict and no proof: what the server answered, that it could not be asked, that its answer
// was not understood, or that the client's settings cannot be used. Nothing of the request is in it.
type Error struct {
	// The canonical code. INVALID_ARGUMENT of New is about its options.
	Code codes.Code
	// The stable reason of the service, such as SECRET_NOT_FOUND; empty if the error is not of the service.
	Reason string
	// The fields at fault.
	Violations []Violation
	// What went wrong, for people.
	Message string
}

// Violation is a field of the request that was not accepted.
type Violation struct {
	// The path of the field in the request message.
	Field string
	// What is wrong with it.
	Description string
}

func (e *Error) Error() string {
	text := "countersign: " + e.CodeName()
	if e.Reason != "" {
		text += " " + e.Reason
	}
	text += ": " + e.Message
	for _, violation := range e.Violations {
		if !strings.Contains(e.Message, violation.Description) {
			text += "; " + violation.Field + ": " + violation.Description
		}
	}
	return text
}

// CodeName is the canonical name of the code, such as NOT_FOUND.
func (e *Error) CodeName() string { return code.Code(e.Code).String() }

// Unwrap lets errors.Is find context.Canceled and context.DeadlineExceeded.
func (e *Error) Unwrap() error {
	switch e.Code {
	case codes.Canceled:
		return context.Canceled
	case codes.DeadlineExceeded:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// GRPCStatus lets grpc's status.Code and status.Convert read the error.
func (e *Error) GRPCStatus() *status.Status { return status.New(e.Code, e.Message) }

func callError(err error) error {
	if err == nil {
		return nil
	}
	s := status.Convert(err)
	e := &Error{Code: s.Code(), Message: s.Message()}
	for _, detail := range s.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			e.Reason = detail.GetReason()
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				e.Violations = append(e.Violations, Violation{violation.GetField(), violation.GetDescription()})
			}
		}
	}
	return e
}

func unusable(message string) error {
	return &Error{Code: codes.InvalidArgument, Message: message}
}

func unintelligible(field string) error {
	return &Error{Code: codes.Internal, Message: "the server's answer has no " + field +
		" that this client knows: refuse the request, and see that client and server are of fitting versions"}
}
