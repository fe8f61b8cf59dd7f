package capture

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/internal/wiretest"
)

// testScrubber has a fixed key, and knows the words of the names that the tests use.
func testScrubber() *Scrubber { return scrubberOf(1) }

func scrubberOf(key byte) *Scrubber {
	s := NewScrubber(
		`memoryStats.numBytesAllocated router gorouter.total_requests responses http_status p-cloudcache.service-instance
		member.UsedMemory sentMessageCount CF.CloudController mem_bytes Puma::Workers cell up MountDurationFor`,
	)
	s.key = [32]byte{key}
	return s
}

const secretGUID = "f1a3c2d0-7a7e-4c55-9f0f-2f0b9d3a4b11"

// TestScrubText: what is an id or an address is replaced in its shape, the rest stays.
func TestScrubText(t *testing.T) {
	s := testScrubber()
	guid, ip := s.words(secretGUID), s.words("172.30.5.75")
	dashed := strings.ReplaceAll(ip, ".", "-")
	for in, want := range map[string]string{
		"":                                "",
		"memoryStats.numBytesAllocated":   "memoryStats.numBytesAllocated",
		"router_z1/3.total_requests":      "router_z1/3.total_requests",
		"responses.5xx":                   "responses.5xx",
		"http_status_1795342433316702720": "http_status_" + s.digits("1795342433316702720"),
		"p-cloudcache.service-instance_" + secretGUID + ".member.UsedMemory": "p-cloudcache.service-instance_" + guid + ".member.UsedMemory",
		"sentMessageCount:" + secretGUID:                                     "sentMessageCount:" + guid,
		strings.ToUpper(secretGUID):                                          strings.ToUpper(guid),
		strings.ReplaceAll(secretGUID, "-", "_"):                             strings.ReplaceAll(guid, "-", "_"),
		strings.ReplaceAll(secretGUID, "-", ""):                              strings.ReplaceAll(guid, "-", ""),
		"CF.CloudController.1.172-30-5-75.mem_bytes":                         "CF.CloudController.1." + dashed + ".mem_bytes",
		"CF.CloudController.1.172.30.5.75.mem_bytes":                         "CF.CloudController.1." + ip + ".mem_bytes",
		"a_172_30_5_75":              "a_" + strings.ReplaceAll(ip, ".", "_"),
		"172.30.5.75:8080":           ip + ":8080",
		"1.2.3":                      "1.2.3",
		"300.1.1.1":                  "300.1.1.1",
		"10.0.0.1.x.10.0.0.1":        s.ipv4("10.0.0.1") + ".x." + s.ipv4("10.0.0.1"),
		"[2001:db8::1]:443":          "[" + s.ipv6("2001:db8::1") + "]:443",
		"2001:DB8:0::1":              s.ipv6("2001:db8::1"),
		"up:2001:db8::1":             "up:" + s.ipv6("2001:db8::1"),
		"up:de:2001:db8::1":          "up:" + s.ipv6("de:2001:db8::1"),
		"010.009.008.007":            s.ipv4("10.9.8.7"),
		"Puma::Workers":              "Puma::Workers",
		"::":                         "::",
		"cell::mem":                  "cell::mem",
		"MountDurationForAcmedriver": "MountDurationFor" + capitalized(s.pseudonym("acmedriver")),
		"MountDurationForacmedriver": "MountDurationFor" + s.pseudonym("acmedriver"),
		"memorystats.membernum":      "memorystats.membernum",
		"routers.cells.ups":          "routers.cells.ups",
		"acmeMemoryStats":            s.pseudonym("acme") + "MemoryStats",
		"AcmeWidget.mem":             capitalized(s.pseudonym("acmewidget")) + ".mem",
		"ACME_responses":             strings.ToUpper(s.pseudonym("acme")) + "_responses",
		"responses.ab1cd2ef":         "responses." + s.pseudonym("ab") + "1" + s.pseudonym("cd") + "2" + s.pseudonym("ef"),
		"Überweisung.memÖÄx":         capitalized(s.pseudonym("überweisung")) + ".mem" + capitalized(s.pseudonym("öäx")),
		"z1.p99":                     "z1.p99",
		"cell.4929123456781":         "cell." + s.digits("4929123456781"),
	} {
		if got := s.words(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if _, err := netip.ParseAddr(ip); err != nil || ip == "172.30.5.75" {
		t.Errorf("address %q, %v", ip, err)
	}
	if guid == secretGUID || len(guid) != 36 || guid[14] != '4' || strings.Count(guid, "-") != 4 {
		t.Errorf("guid %q", guid)
	}
	other := scrubberOf(2)
	if other.words(secretGUID) == guid || other.ipv4("172.30.5.75") == ip ||
		other.pseudonym("app") == s.pseudonym("app") {
		t.Error("another key gives the same")
	}
	if a, b := NewScrubber(), NewScrubber(); a.key == b.key || a.key == [32]byte{} {
		t.Error("keys are not random")
	}
}

// TestScrubOther: URIs, hosts and lists keep their form.
func TestScrubOther(t *testing.T) {
	s := testScrubber()
	w, ip := s.pseudonym, s.ipv4("10.9.9.9")
	for _, c := range []struct{ what, got, want string }{
		{"uri", s.uri("https://user:pw@shop.apps.example.com:8443/cart/42/" + secretGUID + "?q=me#x"), "https://" + w("shop") + "." + w("apps") + "." + w("example") + "." + w("com") + ":8443/" + w("cart") + "/42/" + s.words(secretGUID) + "?" + w("q=me#x")},
		{"uri of an address", s.uri("http://10.9.9.9/"), "http://" + ip + "/"},
		{"path", s.uri("/a"), "/" + w("a")},
		{"unknown scheme", s.uri("secret://h"), w("secret") + "://" + w("h")},
		{"forwarded", s.hosts("10.9.9.9\n10.9.9.9, gateway.example.com"), ip + "\n" + ip + ", " + w("gateway") + "." + w("example") + "." + w("com")},
		{"address with port", s.hosts("10.9.9.9:80"), ip + ":80"},
		{"host with an id", s.hosts("dash-" + secretGUID + ".apps.acme.com"), w("dash") + "-" + s.words(secretGUID) + "." + w("apps") + "." + w("acme") + "." + w("com")},
		{"host with an address", s.hosts("shop.10.9.9.9.nip.io"), w("shop") + "." + ip + "." + w("nip") + "." + w("io")},
		{"host with a known word", s.hosts("router1.acme"), w("router1") + "." + w("acme")},
		{"user at an address", s.hosts("jane@10.9.9.9:22"), w("jane") + "@" + ip + ":22"},
		{"path with an id", s.uri("/orders-" + secretGUID + ".json"), "/" + w("orders") + "-" + s.words(secretGUID) + "." + w("json")},
		{"host in capitals", s.hosts("SHOP"), strings.ToUpper(w("shop"))},
		{"name", s.name("app", "storefront"), "app-" + w("storefront")},
		{"no name", s.name("app", ""), ""},
		{"truth", s.value("true"), "true"},
		{"small number", s.value("42"), "42"},
		{"long number, as of a customer", s.value("4929123456781234"), w("4929123456781234")},
		{"text", s.value("jane"), w("jane")},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
		}
	}
}

func capitalized(word string) string { return strings.ToUpper(word[:1]) + word[1:] }

// TestScrubAddressesDiffer: no two addresses become one, or their series would.
func TestScrubAddressesDiffer(t *testing.T) {
	s := testScrubber()
	seen := make(map[uint32]uint32)
	for i := range uint32(20_000) {
		v := s.permute(0x0a000000 + i)
		if before, twice := seen[v]; twice {
			t.Fatalf("%x and %x become %x", before, i, v)
		}
		seen[v] = i
	}
}

// TestScrubUnreadable: what cannot be read is left out, and harms no other envelope of its batch.
func TestScrubUnreadable(t *testing.T) {
	var out bytes.Buffer
	w, err := NewWriter(&out, Options{Header: Header{Start: captureStart}, Scrubber: testScrubber()})
	if err != nil {
		t.Fatal(err)
	}
	good := wiretest.EnvelopesV2()[0]
	w.RecordV2("rlp", append(wiretest.BatchOf(t, good), 0x0a, 2, 0x12, 9), captureStart)
	w.RecordV2("rlp", []byte{0x0a, 2, 0x12, 9}, captureStart)
	w.RecordV1("udp", []byte("garbage"), captureStart)
	w.RecordV2("rlp", nil, captureStart)
	if stats, err := w.Close(); err != nil || stats.Records != 2 || stats.LeftOut != 2 {
		t.Fatalf("%+v, %v", stats, err)
	}
	header, records, err := readCapture(out.Bytes())
	if err != nil || !header.Scrubbed || len(records) != 2 {
		t.Fatal(header, records, err)
	}
	var batch loggregator_v2.EnvelopeBatch
	err = proto.Unmarshal(records[0].Message, &batch)
	if err != nil || len(batch.Batch) != 1 || batch.Batch[0].Tags["ip"] == good.Tags["ip"] {
		t.Fatal(&batch, err)
	}
}

// FuzzScrubText: no text makes it panic; a second pass with another key keeps the shape of the first.
func FuzzScrubText(f *testing.F) {
	for _, seed := range []string{
		"", secretGUID, "1.2.3.4.5", "::", "172-30_5", "CF.CloudController.1.172-30-5-75.mem", "https://u:p@h:1/a?b",
		"[::1]:80", "0123456789abcdef0",
	} {
		f.Add(seed)
	}
	s := testScrubber()
	f.Fuzz(func(t *testing.T, text string) {
		if got := s.words(text); s.words(text) != got {
			t.Fatalf("%q is not replaced alike", text)
		}
		for _, scrub := range []func(string) string{s.uri, s.hosts, s.value, s.words} {
			if a, b := scrub(text), scrub(text); a != b {
				t.Fatalf("%q: %q and %q", text, a, b)
			}
		}
	})
}
