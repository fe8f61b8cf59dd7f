package wire

import (
	"fmt"
	"strings"
	"testing"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
)

// compareV2 walks an envelope and compares with the oracle, where that accepts.
func compareV2(t *testing.T, d *V2, view *metric.Envelope, b []byte) {
	t.Helper()
	var stock loggregator_v2.Envelope
	err := proto.Unmarshal(b, &stock)
	ok := d.Decode(b, view)
	switch {
	case err != nil && strings.Contains(err.Error(), "invalid UTF-8"):
		// The walker is lenient here, by design.
	case err != nil && ok:
		t.Fatalf("accepted what is malformed (%v): %x", err, b)
	case err == nil && !ok:
		t.Fatalf("refused a good envelope: %x", b)
	case err == nil:
		got, want := wiretest.PlainOf(view), wiretest.OracleV2(&stock)
		if view.TooManyTags {
			got.Tags, want.Tags = nil, nil
		}
		wiretest.RequireEqual(t, fmt.Sprintf("envelope %x", b), got, want)
	}
}

func TestV2(t *testing.T) {
	var d V2
	var view metric.Envelope
	for _, e := range wiretest.EnvelopesV2() {
		b, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		compareV2(t, &d, &view, b)
		for cut := range b {
			compareV2(t, &d, &view, b[:cut])
		}
	}
	for _, b := range wiretest.OddV2() {
		compareV2(t, &d, &view, b)
	}
}

// TestV2LenientStrings: one string that is not UTF-8 must not cost the envelope, let alone the batch.
func TestV2LenientStrings(t *testing.T) {
	b := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), []byte("a\xffb"))
	var d V2
	var view metric.Envelope
	if !d.Decode(b, &view) || string(view.SourceID) != "a\xffb" {
		t.Fatalf("source id %q", view.SourceID)
	}
}

func TestV2TooManyTags(t *testing.T) {
	e := &loggregator_v2.Envelope{
		SourceId: "s", Tags: map[string]string{},
		Message: wiretest.GaugeV2(strings.Repeat("n", 100_000)),
	}
	for i := range 10_000 {
		e.Tags[fmt.Sprint(i)] = "v"
	}
	b, err := proto.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var d V2
	var view metric.Envelope
	if !d.Decode(b, &view) || !view.TooManyTags || len(view.Tags) != metric.MaxTags ||
		len(view.Points[0].Name) != 100_000 {
		t.Fatalf("too many %v, %d tags", view.TooManyTags, len(view.Tags))
	}
	e.Tags = nil
	if b, err = proto.Marshal(e); err != nil {
		t.Fatal(err)
	}
	if !d.Decode(b, &view) || view.TooManyTags {
		t.Fatal("too many tags stays set on the next envelope")
	}
}

// FuzzV2 compares whole batches with stock unmarshalling.
func FuzzV2(f *testing.F) {
	for _, e := range wiretest.EnvelopesV2() {
		f.Add(wiretest.BatchOf(f, e, e))
	}
	for _, b := range wiretest.OddV2() {
		f.Add(protowire.AppendBytes([]byte{0x0a}, b))
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, batch []byte) {
		var d V2
		var view metric.Envelope
		walk := Fields{Message: batch}
		for walk.Next() {
			if walk.Tag == 1<<3|Bytes {
				compareV2(t, &d, &view, walk.Bytes)
			}
		}
		var stock loggregator_v2.EnvelopeBatch
		if err := proto.Unmarshal(batch, &stock); err == nil && walk.Bad {
			t.Fatalf("refused a good batch: %x", batch)
		}
	})
}
