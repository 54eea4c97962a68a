package countersign

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	v1 "countersign.internal/sdk/go/v1"
)

const (
	// What the service takes by default.
	maxHeaders     = 64
	maxHeaderBytes = 8 << 10
)

// What would give the service somebody's session or password.
var credentialNames = []string{"cookie", "authorization", "proxy-authorization"}

// What the names of headers that vendors sign with have in common.
var webhookNames = []string{
	"signature", "timestamp", "hook", "svix", "hmac", "delivery", "event", "-id", "token", "verification", "content-type",
}

// WireHeaders are the headers of a received request as the service takes them: by name, those of one name in their
// order. Left out are cookie, authorization and proxy-authorization unless they are named here, and names with a value that
// is not UTF-8 text, which the wire cannot carry.
//
// A delivery that came through many proxies may have more than the 64 headers or 8 KiB that the service takes. Then
// every header that looks like one of a webhook by its name is sent, and of the others those that still fit. All
// headers of one name are sent or none, so that leaving some out never hides one that was given twice.
func WireHeaders(header http.Header, credentials ...string) []*v1.Header {
	groups := map[string][]*v1.Header{}
	// By name, also of two spellings, so that it does not change from call to call what fits.
	for _, name := range slices.Sorted(maps.Keys(header)) {
		lower := strings.ToLower(name)
		asked := slices.ContainsFunc(credentials, func(other string) bool { return strings.EqualFold(other, name) })
		if slices.Contains(credentialNames, lower) && !asked || !utf8.ValidString(name) {
			continue
		}
		for _, value := range header[name] {
			groups[lower] = append(groups[lower], &v1.Header{Name: lower, Value: value})
		}
	}
	maps.DeleteFunc(groups, func(_ string, group []*v1.Header) bool {
		return slices.ContainsFunc(group, func(header *v1.Header) bool {
			return !utf8.ValidString(header.Value)
		})
	})
	names := slices.Sorted(maps.Keys(groups))
	slices.SortStableFunc(names, func(a, b string) int { return rank(a, credentials) - rank(b, credentials) })
	var sent []*v1.Header
	bytes := 0
	for _, name := range names {
		group := groups[name]
		size := 0
		for _, header := range group {
			size += len(header.Name) + len(header.Value)
		}
		fits := len(sent)+len(group) <= maxHeaders && bytes+size <= maxHeaderBytes
		// Without the former the answer would be another one; the service says what its limits are.
		if fits || rank(name, credentials) == 0 {
			sent = append(sent, group...)
			bytes += size
		}
	}
	return sent
}

// rank is 0 of a header that must be sent, 1 of one that may be left out.
func rank(name string, credentials []string) int {
	for _, part := range webhookNames {
		if strings.Contains(name, part) {
			return 0
		}
	}
	if slices.ContainsFunc(credentials, func(other string) bool { return strings.EqualFold(other, name) }) {
		return 0
	}
	return 1
}

func allHeaders(header http.Header) []*v1.Header {
	var all []*v1.Header
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			all = append(all, &v1.Header{Name: name, Value: value})
		}
	}
	return all
}

// httpHeader is nil, false if a header could not be sent as it is.
func httpHeader(wire []*v1.Header) (http.Header, bool) {
	header := http.Header{}
	for _, one := range wire {
		unfit := func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(":\"(),/;<=>?@[\\]{}", r) }
		if one.GetName() == "" || strings.ContainsFunc(one.GetName(), unfit) || strings.ContainsAny(one.GetValue(), "\r\n\x00") {
			return nil, false
		}
		header.Add(one.GetName(), one.GetValue())
	}
	return header, true
}
