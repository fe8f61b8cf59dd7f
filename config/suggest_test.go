package config

import "testing"

func TestNearestKey(t *testing.T) {
	known := newTable().known
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
		if got := NearestKey(in, known); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
