// Command stripe receives Stripe's webhooks: genuine events reach its handler, and nothing else does.
//
//	countersign dev
//	go run ./stripe
//	countersign webhook sign demo/stripe-webhook --body '{"type":"invoice.paid"}' --send http://127.0.0.1:8472/stripe
package main

import (
	"encoding/json"
	"log"
	"net/http"

	countersign "countersign.internal/sdk/go"
	"countersign.internal/sdk/go/webhook"
)

func main() {
	client, err := countersign.New()
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:8472", routes(client)))
}

func routes(client *countersign.Client) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /stripe", webhook.Verify(client, "demo/stripe-webhook")(http.HandlerFunc(handle)))
	return mux
}

func handle(w http.ResponseWriter, r *http.Request) {
	var event struct{ Type string }
	if err := json.NewDecoder(r.Body).Decode(&event); err != nil {
		http.Error(w, "not an event", http.StatusBadRequest)
		return
	}
	// Stripe sends an event again when it saw no answer, so do this in a way that may happen twice. The verdict says
	// FIRST or DUPLICATE, but not whether the first time went well.
	log.Printf("genuine: %q %s", event.Type, countersign.Name(webhook.Verdict(r.Context()).Replay))
}
