package capture

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/cloudfoundry/sonde-go/events"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/wire"
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

// secrets are what a foundation must not give away, each in every place of an envelope where it may stand.
type secrets struct {
	app, space, org, guid, ip, ip6, host, uri, agent, custom, log string
	account                                                       int64
}

func drawSecrets(t *rapid.T) secrets {
	word := rapid.StringMatching(`[aeiou][a-z]{4}[a-z0-9-]{4,10}[aeiou]`)
	guid := rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
	octet := rapid.IntRange(100, 255)
	return secrets{
		app:   word.Draw(t, "app"),
		space: word.Draw(t, "space"),
		org:   word.Draw(t, "org"),
		guid:  guid.Draw(t, "guid"),
		ip:    fmt.Sprintf("%d.%d.%d.%d", octet.Draw(t, "a"), octet.Draw(t, "b"), octet.Draw(t, "c"), octet.Draw(t, "d")),
		ip6:   "2001:db8:" + rapid.StringMatching(`[1-9a-f][0-9a-f]{3}`).Draw(t, "ip6") + "::17",
		host: word.Draw(
			t,
			"host",
		) + ".corp.example.org",
		uri: "https://" + word.Draw(t, "site") + ".example.net/" + word.Draw(t, "page") + "?token=" + word.Draw(t, "token"),
		agent: "Agent/" + word.Draw(
			t,
			"agent",
		),
		custom:  word.Draw(t, "custom"),
		log:     word.Draw(t, "log"),
		account: rapid.Int64Range(1e9, 1e15).Draw(t, "account"),
	}
}

// all are the texts that must not be found, in the spellings that are sent.
func (s secrets) all() []string {
	page := strings.SplitN(strings.TrimPrefix(s.uri, "https://"), "/", 2)
	return []string{
		s.app,
		s.space,
		s.org,
		s.guid,
		strings.ToUpper(s.guid),
		strings.ReplaceAll(s.guid, "-", "_"),
		strings.ReplaceAll(s.guid, "-", ""),
		s.ip,
		strings.ReplaceAll(s.ip, ".", "-"),
		s.ip6,
		strings.SplitN(s.host, ".", 2)[0],
		strings.SplitN(page[0], ".", 2)[0],
		strings.SplitN(page[1], "?", 2)[0],
		strings.SplitN(page[1], "=", 2)[1],
		s.agent,
		s.custom,
		s.log,
		strconv.FormatInt(s.account, 10),
		string(protowire.AppendVarint(nil, uint64(s.account))),
		string(binary.LittleEndian.AppendUint64(nil, math.Float64bits(float64(s.account)))),
	}
}

func (s secrets) tags() map[string]string {
	return map[string]string{
		"app_name":          s.app,
		"space_name":        s.space,
		"organization_name": s.org,
		"app_id":            s.guid,
		"ip":                s.ip,
		"index":             s.guid,
		"uri":               s.uri,
		"user_agent":        s.agent,
		"remote_address":    s.custom + "@" + s.ip + ":4711",
		"domain":            s.custom + "-" + s.guid + ".apps." + s.custom,
		"url":               "/" + s.guid + s.custom,
		s.custom:            "1",
		"component":         s.custom,
		"process_type":      s.custom + "-worker",
		"forwarded":         s.ip + "\n" + s.ip6 + "\n" + s.host,
		"host":              s.host,
		"customer":          s.custom,
		"cell_" + s.guid:    "1",
		"origin":            "p-cloudcache.service-instance_" + s.guid,
		"deployment":        "cf-" + strings.ReplaceAll(s.guid, "-", ""),
		"job":               "router",
		"status_code":       "200",
	}
}

func (s secrets) names() []string {
	return []string{
		"memoryStats.numBytesAllocated",
		"a." + s.guid + ".b",
		"CF.CloudController.1." + strings.ReplaceAll(s.ip, ".", "-") + ".mem",
		"up:" + strings.ToUpper(s.guid),
		s.ip + ".x",
		"v6 " + s.ip6,
		"memoryStats." + s.custom,
		s.custom + "::Workers",
		"up:" + s.ip6,
	}
}

func (s secrets) v2() []*loggregator_v2.Envelope {
	e := func() *loggregator_v2.Envelope {
		return &loggregator_v2.Envelope{
			Timestamp: 7, SourceId: s.guid, InstanceId: s.guid, Tags: s.tags(),
			DeprecatedTags: map[string]*loggregator_v2.Value{
				"app_name": {
					Data: &loggregator_v2.Value_Text{Text: s.app},
				},
				s.guid:    {Data: &loggregator_v2.Value_Integer{Integer: 5}},
				"nothing": {},
				"account": {
					Data: &loggregator_v2.Value_Integer{Integer: s.account},
				},
				"amount": {Data: &loggregator_v2.Value_Decimal{Decimal: float64(s.account)}},
			},
		}
	}
	var all []*loggregator_v2.Envelope
	gauge := e()
	gauge.Message = wiretest.GaugeV2(s.names()...)
	all = append(all, gauge, e())
	for _, name := range s.names() {
		counter, timer := e(), e()
		counter.Message = &loggregator_v2.Envelope_Counter{Counter: &loggregator_v2.Counter{Name: name, Delta: 1, Total: 2}}
		timer.Message = &loggregator_v2.Envelope_Timer{Timer: &loggregator_v2.Timer{Name: name, Start: 1, Stop: 2}}
		all = append(all, counter, timer)
	}
	log, event := e(), e()
	log.Message = &loggregator_v2.Envelope_Log{Log: &loggregator_v2.Log{Payload: []byte(s.log)}}
	event.Message = &loggregator_v2.Envelope_Event{Event: &loggregator_v2.Event{Title: s.log, Body: s.log}}
	return append(all, log, event)
}

func (s secrets) uuid(t *rapid.T) *events.UUID {
	b, err := hex.DecodeString(strings.ReplaceAll(s.guid, "-", ""))
	if err != nil {
		t.Fatal(err)
	}
	return &events.UUID{Low: new(binary.LittleEndian.Uint64(b[:8])), High: new(binary.LittleEndian.Uint64(b[8:]))}
}

func (s secrets) v1(t *rapid.T) []*events.Envelope {
	e := func(kind events.Envelope_EventType) *events.Envelope {
		return &events.Envelope{
			Origin: new("rep." + s.guid), EventType: kind.Enum(), Deployment: new("cf-" + strings.ReplaceAll(s.guid, "-", "")),
			Job: new("router-" + s.custom), Index: new(s.guid), Ip: new(s.ip), Tags: s.tags(),
		}
	}
	http := e(events.Envelope_HttpStartStop)
	http.HttpStartStop = &events.HttpStartStop{
		StartTimestamp: new(int64(1)),
		StopTimestamp:  new(int64(2)),
		RequestId:      s.uuid(t),
		PeerType:       events.PeerType_Client.Enum(),
		Method:         events.Method_GET.Enum(),
		Uri:            new(s.uri),
		RemoteAddress:  new(s.ip + ":80"),
		UserAgent:      new(s.agent),
		StatusCode:     new(int32(200)),
		ContentLength:  new(int64(3)),
		ApplicationId:  s.uuid(t),
		InstanceId:     new(s.guid),
		Forwarded:      []string{s.ip, s.host + ", " + s.ip6},
	}
	container := e(events.Envelope_ContainerMetric)
	container.ContainerMetric = &events.ContainerMetric{
		ApplicationId: new(s.guid),
		InstanceIndex: new(int32(1)),
		CpuPercentage: new(1.0),
		MemoryBytes:   new(uint64(1)),
		DiskBytes:     new(uint64(1)),
	}
	log := e(events.Envelope_LogMessage)
	log.LogMessage = &events.LogMessage{
		Message:        []byte(s.log),
		MessageType:    events.LogMessage_OUT.Enum(),
		Timestamp:      new(int64(1)),
		AppId:          new(s.guid),
		SourceInstance: new(s.guid),
		SourceType:     new("APP/" + s.custom + "/" + s.guid),
	}
	failed := e(events.Envelope_Error)
	failed.Error = &events.Error{Source: new("x " + s.ip), Code: new(int32(1)), Message: new(s.log)}
	all := []*events.Envelope{http, container, log, failed}
	for _, name := range s.names() {
		value, counter := e(events.Envelope_ValueMetric), e(events.Envelope_CounterEvent)
		value.ValueMetric = &events.ValueMetric{Name: new(name), Value: new(1.0), Unit: new(s.custom)}
		counter.CounterEvent = &events.CounterEvent{Name: new(name), Delta: new(uint64(1))}
		all = append(all, value, counter)
	}
	return all
}

// TestScrubbedCapturesHoldNoSecrets: whatever the secrets are, none is found in the bytes; what is not a secret is
// as it was, and what was equal is equal.
func TestScrubbedCapturesHoldNoSecrets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := drawSecrets(t)
		s := NewScrubber("memoryStats.numBytesAllocated customer Workers up")
		check := func(out []byte, raw ...[]byte) {
			for _, text := range secret.all() {
				if bytes.Contains(out, []byte(text)) {
					t.Fatalf("%q survives in %q", text, out)
				}
			}
			for _, b := range raw {
				if bytes.Contains(out, b) {
					t.Fatalf("%x survives in %x", b, out)
				}
			}
		}
		sent := secret.v2()
		batch := &loggregator_v2.EnvelopeBatch{Batch: sent}
		in, err := proto.Marshal(batch)
		if err != nil {
			t.Fatal(err)
		}
		out, ok := s.message(V2, in)
		if !ok {
			t.Fatal("unreadable")
		}
		check(out)
		var got loggregator_v2.EnvelopeBatch
		if err := proto.Unmarshal(out, &got); err != nil || len(got.Batch) != len(sent) {
			t.Fatal(len(got.Batch), err)
		}
		for i, e := range got.Batch {
			if e.SourceId != s.words(secret.guid) || e.Tags["app_id"] != e.SourceId || e.Tags["app_name"] != s.name("app", secret.app) || e.Tags["status_code"] != "200" ||
				len(e.Tags) != len(sent[i].Tags) || e.Timestamp != 7 ||
				fmt.Sprintf("%T", e.Message) != fmt.Sprintf("%T", sent[i].Message) {
				t.Fatalf("%v became %v", sent[i], e)
			}
		}
		if n := len(got.Batch[0].GetGauge().Metrics); n != len(secret.names()) {
			t.Fatalf("%d metrics", n)
		}
		low := binary.LittleEndian.AppendUint64(nil, secret.uuid(t).GetLow())
		for _, e := range secret.v1(t) {
			in, err := proto.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			out, ok := s.message(V1, in)
			if !ok {
				t.Fatal("unreadable")
			}
			check(out, low)
			var got events.Envelope
			if err := proto.Unmarshal(out, &got); err != nil {
				t.Fatal(err)
			}
			if h := got.HttpStartStop; h != nil {
				var d wire.V1
				var view metric.Envelope
				if !d.Decode(out, &view) || string(view.SourceID) != got.Tags["app_id"] || h.GetStatusCode() != 200 {
					t.Fatalf("the request is of app %s, its tag says %s", view.SourceID, got.Tags["app_id"])
				}
			}
		}
	})
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
	if err := proto.Unmarshal(
		records[0].Message,
		&batch,
	); err != nil || len(batch.Batch) != 1 ||
		batch.Batch[0].Tags["ip"] == good.Tags["ip"] {
		t.Fatal(&batch, err)
	}
}

// FuzzScrubText: no text makes it panic; a second pass with another key keeps the shape of the first.
func FuzzScrubText(f *testing.F) {
	for _, seed := range []string{"", secretGUID, "1.2.3.4.5", "::", "172-30_5", "CF.CloudController.1.172-30-5-75.mem", "https://u:p@h:1/a?b", "[::1]:80", "0123456789abcdef0"} {
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
