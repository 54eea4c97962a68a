// Command stripe receives Stripe's webhooks: genuine events reach its handler, and nothing else does.
//
//	countersign dev                        # in another terminal
//	go run ./stripe                        # in this module, which takes the SDK from ../../sdk/go
//	countersign webhook sign demo/stripe-webhook --body '{"id":"evt_1","type":"charge.succeeded"}' \
//	  --send http://127.0.0.1:8472/stripe
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
	var event struct{ ID, Type string }
	if err := json.NewDecoder(r.Body).Decode(&event); err != nil {
		http.Error(w, "not an event", http.StatusBadRequest)
		return
	}
	// Stripe sends an event again where it saw no answer, and signs it anew: the verdict's Replay does not tell that.
	// To handle an event once, keep the ids of those that are done in your own store.
	log.Printf("genuine: %q %q, %s", event.Type, event.ID, webhook.Verdict(r.Context()).Age)
}
