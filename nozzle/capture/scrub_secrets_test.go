package capture

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
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
		app:     word.Draw(t, "app"),
		space:   word.Draw(t, "space"),
		org:     word.Draw(t, "org"),
		guid:    guid.Draw(t, "guid"),
		ip:      fmt.Sprintf("%d.%d.%d.%d", octet.Draw(t, "a"), octet.Draw(t, "b"), octet.Draw(t, "c"), octet.Draw(t, "d")),
		ip6:     "2001:db8:" + rapid.StringMatching(`[1-9a-f][0-9a-f]{3}`).Draw(t, "ip6") + "::17",
		host:    word.Draw(t, "host") + ".corp.example.org",
		uri:     "https://" + word.Draw(t, "site") + ".example.net/" + word.Draw(t, "page") + "?token=" + word.Draw(t, "token"),
		agent:   "Agent/" + word.Draw(t, "agent"),
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
