package countersign

import (
	_ "embed"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"
)

//go:embed widgets.json
var widgetData []byte

var widgets = sync.OnceValue(func() map[string]struct{ Fields map[string]any } {
	var all map[string]struct{ Fields map[string]any }
	if err := json.Unmarshal(widgetData, &all); err != nil {
		panic("countersign: widgets.json: " + err.Error())
	}
	return all
})

// WidgetFields are the fields that the vendor's chat widget wants for a signed-in user, to put into the page as JSON. The
// proof is the hash or the token that Sign made with the same identity. A field whose value is empty is left out.
func WidgetFields(scheme string, identity Identity, proof string) (map[string]any, error) {
	widget, ok := widgets()[scheme]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(widgets())), ", ")
		return nil, unusable("the widget of this scheme is not known; known are " + known)
	}
	if proof == "" {
		return nil, &Error{Code: codes.InvalidArgument, Message: "the widget wants a proof", Violations: []Violation{{
			"proof", "is empty"}}}
	}
	fill := map[string]string{
		"{id}": identity.ID, "{email}": identity.Email, "{name}": identity.Name, "{hash}": proof, "{token}": proof,
	}
	fields, _ := filled(widget.Fields, fill).(map[string]any)
	return fields, nil
}

// filled is nil for what is empty.
func filled(template any, fill map[string]string) any {
	switch template := template.(type) {
	case string:
		if text := fill[template]; text != "" {
			return text
		}
	case []any:
		list := make([]any, 0, len(template))
		for _, element := range template {
			element = filled(element, fill)
			// The place counts, so a list is whole or not there.
			if element == nil {
				return nil
			}
			list = append(list, element)
		}
		return list
	case map[string]any:
		object := map[string]any{}
		for name, member := range template {
			if member = filled(member, fill); member != nil {
				object[name] = member
			}
		}
		if len(object) > 0 {
			return object
		}
	}
	return nil
}
