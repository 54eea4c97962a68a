package countersign_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	countersign "countersign.internal/sdk/go"
)

func shown(header http.Header, credentials ...string) string {
	var text []string
	for _, one := range countersign.WireHeaders(header, credentials...) {
		text = append(text, one.GetName()+"="+one.GetValue())
	}
	return strings.Join(text, " ")
}

func TestRepeatedHeadersStayRepeatedAndInOrder(t *testing.T) {
	header := http.Header{"X-Signature": {"two", "one"}, "x-signature": {"three"}, "A": {"1"}}
	same(t, shown(header), "x-signature=two x-signature=one x-signature=three a=1")
}

func TestCredentialsStayBehindUnlessAskedFor(t *testing.T) {
	header := http.Header{"Cookie": {"a"}, "authorization": {"b"}, "Proxy-Authorization": {"c"}, "Accept": {"d"}}
	same(t, shown(header), "accept=d")
	same(t, shown(header, "Authorization"), "authorization=b accept=d")
}

func TestAValueThatIsNoTextStaysBehind(t *testing.T) {
	same(t, shown(http.Header{"X-A": {"\xff\xfe", "text"}, "X-B": {"grün"}, "X-\xff": {"b"}}), "x-b=grün")
}

func TestOverTheLimitsTheHeadersOfTheWebhookGoFirst(t *testing.T) {
	for _, crowd := range []struct{ others, length int }{{100, 1}, {20, 1000}} {
		header := http.Header{}
		for number := range crowd.others {
			name := fmt.Sprintf("X-Hop-%d", number)
			header[name] = []string{strings.Repeat("v", crowd.length), strings.Repeat("w", crowd.length)}
		}
		header["Stripe-Signature"] = []string{"one", "two"}
		sent := countersign.WireHeaders(header)
		counts, bytes := map[string]int{}, 0
		for _, one := range sent {
			counts[one.GetName()]++
			bytes += len(one.GetName()) + len(one.GetValue())
		}
		same(t, len(sent) > 2 && len(sent) <= 64 && bytes <= 8<<10, true)
		same(t, counts["stripe-signature"], 2)
		for name, count := range counts {
			if count != 2 {
				t.Fatal(name, count)
			}
		}
	}
}

func TestAHeaderOfTheWebhookIsNeverLeftOut(t *testing.T) {
	same(t, len(countersign.WireHeaders(http.Header{"Stripe-Signature": make([]string, 65)})), 65)
}
