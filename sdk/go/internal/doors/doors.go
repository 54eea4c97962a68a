// Package doors reads the questions of the doors test and writes the answers, for the two programs beside it.
package doors

import (
	"bufio"
	"encoding/json"
	"errors"
	"log"
	"os"
)

// Question is a line of the input. What is nil is missing.
type Question struct {
	ID, Rpc, Secret   string
	Headers           [][2]string
	Body              []byte
	Method, URL       string
	Claimed, Identity *Identity
	Hash, Token       *string
}

// Identity stands in questions and answers alike.
type Identity struct {
	ID         string         `json:"id"`
	Email      string         `json:"email"`
	Name       string         `json:"name"`
	Attributes map[string]any `json:"attributes"`
}

// Webhook answers VerifyWebhook.
type Webhook struct {
	ID           string   `json:"id"`
	Decision     string   `json:"decision"`
	Reason       *string  `json:"reason"`
	Version      *uint32  `json:"version"`
	State        *string  `json:"state"`
	Proven       []string `json:"proven"`
	ProvenFields []string `json:"proven_fields"`
	Handshake    *string  `json:"handshake"`
}

// Verdict answers Verify.
type Verdict struct {
	ID       string    `json:"id"`
	Decision string    `json:"decision"`
	Reason   *string   `json:"reason"`
	Version  *uint32   `json:"version"`
	State    *string   `json:"state"`
	Trust    string    `json:"trust"`
	Shield   string    `json:"shield"`
	Verified *Identity `json:"verified"`
	Claimed  *Identity `json:"claimed"`
}

// Signed answers Sign.
type Signed struct {
	ID      string  `json:"id"`
	Hash    *string `json:"hash"`
	Token   *string `json:"token"`
	Version uint32  `json:"version"`
	State   string  `json:"state"`
}

// Failed answers any of them.
type Failed struct {
	ID    string `json:"id"`
	Error Error  `json:"error"`
}

// Error says what a call failed with.
type Error struct {
	Code   string   `json:"code"`
	Reason *string  `json:"reason"`
	Fields []string `json:"fields"`
}

// Said is nil of an empty text.
func Said(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// Run answers every line of standard input on standard output, in their order. A line that is no question ends it.
func Run(answer func(Question) any) {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	written := json.NewEncoder(out)
	written.SetEscapeHTML(false)
	for lines.Scan() {
		var question Question
		err := json.Unmarshal(lines.Bytes(), &question)
		if err == nil {
			err = written.Encode(answer(question))
		}
		// Each answer at once, for who asks and waits.
		if err = errors.Join(err, out.Flush()); err != nil {
			log.Fatal("door: ", err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal("door: ", err)
	}
}
