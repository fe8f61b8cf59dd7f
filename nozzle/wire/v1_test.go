package wire

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"code.cloudfoundry.org/go-loggregator/v10/conversion"
	"github.com/cloudfoundry/sonde-go/events"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
)

// oracleV1 is what the agent and the public conversion make of an envelope, as a view. Before converting, the agent
// makes the origin the source id where there is none; where it fills in fields that were not sent, the exporter
// leaves them out.
func oracleV1(e *events.Envelope) wiretest.Plain {
	sent := map[string]bool{
		"deployment": e.Deployment != nil, "job": e.Job != nil, "index": e.Index != nil,
		"ip": e.Ip != nil,
	}
	tags := map[string]string{}
	maps.Copy(tags, e.Tags)
	if e.Tags == nil {
		e.Tags = map[string]string{}
	}
	if _, ok := e.Tags["source_id"]; !ok {
		e.Tags["source_id"] = e.GetOrigin()
	}
	p := wiretest.OracleV2(conversion.ToV2(e, true))
	for name, is := range sent {
		if !is {
			delete(p.Tags, name)
			if v, ok := tags[name]; ok {
				p.Tags[name] = v
			}
		}
	}
	return p
}

func compareV1(t *testing.T, d *V1, view *metric.Envelope, b []byte) {
	t.Helper()
	var stock events.Envelope
	err := proto.Unmarshal(b, &stock)
	ok := d.Decode(b, view)
	if ok != (err == nil) {
		t.Fatalf("accepted: %v, stock says: %v: %x", ok, err, b)
	}
	if !ok {
		return
	}
	got, want := wiretest.PlainOf(view), oracleV1(&stock)
	if view.TooManyTags {
		got.Tags, want.Tags = nil, nil
	}
	// The public conversion makes 0 of a quota that was not sent; here it is no point.
	if c := stock.GetContainerMetric(); stock.GetEventType() == events.Envelope_ContainerMetric {
		if c == nil || c.MemoryBytesQuota == nil {
			delete(want.Points, "memory_quota")
		}
		if c == nil || c.DiskBytesQuota == nil {
			delete(want.Points, "disk_quota")
		}
	}
	if got.Kind == metric.KindLog {
		// Of logs only the envelope is decoded.
		got.SourceID, got.InstanceID, want.SourceID, want.InstanceID = "", "", "", ""
		for _, tag := range []string{"source_type", "source", "code"} {
			delete(got.Tags, tag)
			delete(want.Tags, tag)
		}
	}
	wiretest.RequireEqual(t, fmt.Sprintf("envelope %x", b), got, want)
}

func TestV1(t *testing.T) {
	var d V1
	var view metric.Envelope
	for _, e := range append(wiretest.EnvelopesV1(), wiretest.PartialV1()...) {
		b := wiretest.MarshalV1(t, e)
		compareV1(t, &d, &view, b)
		for cut := range b {
			compareV1(t, &d, &view, b[:cut])
		}
	}
	for _, b := range wiretest.OddV1(t) {
		compareV1(t, &d, &view, b)
	}
}

// TestV1HTTP fixes the shape that was seen behind a real agent, ids included.
func TestV1HTTP(t *testing.T) {
	var d V1
	var view metric.Envelope
	if !d.Decode(wiretest.MarshalV1(t, wiretest.HTTPV1()), &view) {
		t.Fatal("refused")
	}
	wiretest.RequireEqual(t, "view", wiretest.PlainOf(&view), wiretest.Plain{
		Kind: metric.KindTimer, Name: "http", Timestamp: 1795342433316702720, Start: 1795342433316702720,
		Stop:     1795342433417702720,
		SourceID: "10325476-98ba-dcfe-0100-000000000000", InstanceID: "3", Points: map[string]wiretest.PlainPoint{},
		Tags: map[string]string{
			"origin": "router__0", "deployment": "cf", "job": "router", "index": "9b4c2f3e-8d0a-4e4f-9a63-0a7e3cf0c2f1",
			"ip": "10.0.0.5", "__v1_type": "HttpStartStop",
			"request_id": "efcdab89-6745-2301-ff00-000000000000", "peer_type": "Server", "method": "POST",
			"uri":            "https://app.example.com/x?y=\n",
			"remote_address": "10.1.1.1:4321", "user_agent": "agent", "status_code": "404", "content_length": "-1",
			"routing_instance_id": "instance",
			"forwarded":           "10.9.9.9\n10.8.8.8",
		},
	})
}

func TestV1TooManyTags(t *testing.T) {
	e := wiretest.ValueV1()
	e.Tags = map[string]string{}
	for i := range 10_000 {
		e.Tags[fmt.Sprint(i)] = "v"
	}
	e.ValueMetric.Name = new(strings.Repeat("n", 100_000))
	var d V1
	var view metric.Envelope
	if !d.Decode(wiretest.MarshalV1(t, e), &view) || !view.TooManyTags || len(view.Tags) != metric.MaxTags ||
		len(view.Points) != 1 {
		t.Fatalf("too many %v, %d tags, %d points", view.TooManyTags, len(view.Tags), len(view.Points))
	}
}

// FuzzV1 compares with sonde-go and the public conversion. One decoder serves two envelopes, so that nothing of the
// first may show in the second.
func FuzzV1(f *testing.F) {
	for _, e := range append(wiretest.EnvelopesV1(), wiretest.PartialV1()...) {
		f.Add(wiretest.MarshalV1(f, wiretest.HTTPV1()), wiretest.MarshalV1(f, e))
	}
	for _, b := range wiretest.OddV1(f) {
		f.Add(wiretest.MarshalV1(f, wiretest.ContainerV1()), b)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var d V1
		var view metric.Envelope
		compareV1(t, &d, &view, first)
		compareV1(t, &d, &view, second)
	})
}
