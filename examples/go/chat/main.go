// Command chat is the backend of a page with chat widgets: it vouches for the user who is signed in. The page fetches
// /chat/chatwoot and hands the fields to the vendor's widget; the keys never leave Countersign.
//
//	countersign dev                        # in another terminal
//	go run ./chat                          # in this module, which takes the SDK from ../../sdk/go
//	curl http://127.0.0.1:8473/chat/chatwoot
package main

import (
	"encoding/json"
	"log"
	"net/http"

	countersign "countersign.internal/sdk/go"
)

type widget struct{ secret, scheme string }

// The secret of each vendor, and the scheme that says what its widget wants.
var widgets = map[string]widget{
	"chatwoot": {"demo/chatwoot-identity", "chatwoot.identity"},
	"pylon":    {"demo/pylon-identity", "pylon.identity"},
	"kaltalk":  {"demo/kaltalk-token", "kaltalk.token"},
	"talkjs":   {"demo/talkjs-token", "talkjs.token"},
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
	mux.HandleFunc("GET /chat/{vendor}", func(w http.ResponseWriter, r *http.Request) {
		widget, ok := widgets[r.PathValue("vendor")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		user := signedInUser(r)
		var fields map[string]any
		signed, err := client.Sign(r.Context(), widget.secret, user)
		if err == nil {
			fields, err = countersign.WidgetFields(widget.scheme, user, signed.Proof())
		}
		if err != nil {
			log.Print(err)
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store") // the proof is of one user
		_ = json.NewEncoder(w).Encode(fields)
	})
	return mux
}

// signedInUser is whoever your session says is there. Never sign an id that came with the request: that vouches for
// anybody.
func signedInUser(*http.Request) countersign.Identity {
	return countersign.Identity{ID: "user-42", Email: "ada@example.com", Name: "Ada"}
}
