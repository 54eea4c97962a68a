// Command stripe receives Stripe's webhooks: it handles genuine events alone, and each once.
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
	v1 "countersign.internal/sdk/go/v1"
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
	// Stripe sends an event again whose answer it did not see.
	if webhook.Verdict(r.Context()).Replay == v1.Replay_REPLAY_DUPLICATE {
		return
	}
	var event struct{ Type string }
	if err := json.NewDecoder(r.Body).Decode(&event); err != nil {
		http.Error(w, "not an event", http.StatusBadRequest)
		return
	}
	log.Printf("genuine: %q", event.Type)
}
