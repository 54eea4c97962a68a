// Command chat is the backend of a page with chat widgets: for the user who is logged in it answers the fields that
// each widget wants, with the proof that Countersign signed.
//
//	countersign dev
//	go run ./chat
//	curl --cookie session=s3ss10n http://127.0.0.1:8473/widgets
package main

import (
	"encoding/json"
	"errors"
	"log"
	"net/http"

	countersign "countersign.internal/sdk/go"
)

// The widgets of the page: the scheme of each, and the secret that signs for it.
var widgets = map[string]string{
	"chatwoot.identity": "demo/chatwoot-identity",
	"pylon.identity":    "demo/pylon-identity",
	"kaltalk.token":     "demo/kaltalk-token",
	"talkjs.token":      "demo/talkjs-token",
}

// Who is logged in, by the cookie of the session. Yours are in your store.
var sessions = map[string]countersign.Identity{
	"s3ss10n": {ID: "user-42", Email: "ada@example.com", Name: "Ada"},
}

func main() {
	client, err := countersign.New()
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:8473", routes(client)))
}

func routes(client *countersign.Client) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /widgets", func(w http.ResponseWriter, r *http.Request) {
		user, err := loggedIn(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		page := map[string]any{}
		for scheme, secret := range widgets {
			signed, err := client.Sign(r.Context(), secret, user)
			if err == nil {
				page[scheme], err = countersign.WidgetFields(scheme, user, signed.Proof())
			}
			if err != nil {
				log.Print(err)
				http.Error(w, "try again", http.StatusServiceUnavailable)
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		// Proofs are of one user.
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(page)
	})
	return mux
}

// loggedIn never takes the user from the request itself: Countersign signs for whomever it is given.
func loggedIn(r *http.Request) (countersign.Identity, error) {
	if cookie, err := r.Cookie("session"); err == nil {
		if user, ok := sessions[cookie.Value]; ok {
			return user, nil
		}
	}
	return countersign.Identity{}, errors.New("log in first")
}
