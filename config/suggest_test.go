package config

import "testing"

func TestNearest(t *testing.T) {
	known := newFile("").known
	for in, want := range map[string]string{
		"nozzle.rlp.adress":       "nozzle.rlp.address",
		"nozzle.rpl":              "nozzle.rlp",
		"nozzle.upd":              "nozzle.udp",
		"rlp":                     "nozzle.rlp",
		"rules_files":             "tagger.rules_files",
		"metrics.rules_files":     "tagger.rules_files",
		"metrics.expiry":          "metrics.expiration",
		"metrics.expire":          "metrics.expiration",
		"metrics.buckets":         "metrics.http.buckets",
		"web.listen":              "web.listen_address",
		"logs":                    "log",
		"log.levle":               "log.level",
		"nozzle.rlp.tls.cafile":   "nozzle.rlp.tls.ca_file",
		"nozzle.udp.receive_size": "nozzle.udp.receive_buffer_bytes",
	} {
		if got := Nearest(in, known); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "abd", 1}, {"abc", "xabc", 1}, {"ca", "abc", 3}, {"kitten", "sitting", 3}} {
		if got := distance(tc.a, tc.b); got != tc.want {
			t.Errorf("%q, %q: %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}
