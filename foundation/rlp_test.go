package foundation

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

type v2 = loggregator_v2.Envelope

// serve runs the RLP of a foundation, without a clock, for as long as the test lasts.
func serve(t *testing.T, f *Foundation) {
	t.Helper()
	if err := f.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func dial(t *testing.T, f *Foundation, config *tls.Config) loggregator_v2.EgressClient {
	t.Helper()
	options := []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(config))}
	if f.options.Network != nil {
		options = append(options, grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return f.options.Network.Dial(ctx, "tcp", address)
		}))
	}
	conn, err := grpc.NewClient(f.RLPAddress(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return loggregator_v2.NewEgressClient(conn)
}

// subscribe opens a stream and returns once the RLP knows of it.
func subscribe(
	t *testing.T,
	f *Foundation,
	request *loggregator_v2.EgressBatchRequest,
) loggregator_v2.Egress_BatchedReceiverClient {
	t.Helper()
	before, _ := f.rlp.watch()
	stream, err := dial(t, f, f.ClientTLS()).BatchedReceiver(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	await(t, f, before+1)
	return stream
}

func await(t *testing.T, f *Foundation, readers int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // which no machine is too busy for
	defer cancel()
	if err := f.AwaitReaders(ctx, readers); err != nil {
		t.Fatalf("no reader came: %v", err)
	}
}

// receive reads exactly so many envelopes.
func receive(t *testing.T, stream loggregator_v2.Egress_BatchedReceiverClient, count int) []*v2 {
	t.Helper()
	var envelopes []*v2
	for len(envelopes) < count {
		batch, err := stream.Recv()
		if err != nil {
			t.Fatalf("after %d of %d envelopes: %v", len(envelopes), count, err)
		}
		if n := len(batch.GetBatch()); n < 1 || n > 100 {
			t.Fatalf("a batch of %d envelopes", n)
		}
		envelopes = append(envelopes, batch.GetBatch()...)
	}
	if len(envelopes) != count {
		t.Fatalf("%d envelopes, want %d", len(envelopes), count)
	}
	return envelopes
}

func (r *rlp) counts() (ingress, egress, dropped int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return int(r.ingress), int(r.egress), int(r.lost.Full)
}

func gaugeSelector(names ...string) *loggregator_v2.Selector {
	return &loggregator_v2.Selector{
		Message: &loggregator_v2.Selector_Gauge{Gauge: &loggregator_v2.GaugeSelector{Names: names}},
	}
}

func timerSelector() *loggregator_v2.Selector {
	return &loggregator_v2.Selector{Message: &loggregator_v2.Selector_Timer{Timer: &loggregator_v2.TimerSelector{}}}
}

func logSelector() *loggregator_v2.Selector {
	return &loggregator_v2.Selector{Message: &loggregator_v2.Selector_Log{Log: &loggregator_v2.LogSelector{}}}
}

func eventSelector() *loggregator_v2.Selector {
	return &loggregator_v2.Selector{Message: &loggregator_v2.Selector_Event{Event: &loggregator_v2.EventSelector{}}}
}

func everything() []*loggregator_v2.Selector {
	return []*loggregator_v2.Selector{gaugeSelector(), counterSelector(""), timerSelector()}
}

func gauge(source string, names ...string) *v2 {
	metrics := make(map[string]*loggregator_v2.GaugeValue)
	for _, name := range names {
		metrics[name] = &loggregator_v2.GaugeValue{Unit: "count", Value: 1}
	}
	return &v2{SourceId: source, Tags: map[string]string{"origin": source}, Message: &loggregator_v2.Envelope_Gauge{
		Gauge: &loggregator_v2.Gauge{Metrics: metrics},
	}}
}

func counter(source, name string, total uint64) *v2 {
	return &v2{SourceId: source, Tags: map[string]string{"origin": source}, Message: &loggregator_v2.Envelope_Counter{
		Counter: &loggregator_v2.Counter{Name: name, Delta: 1, Total: total},
	}}
}

// What a stock client reads over mutual TLS must be what the foundation says that it sent.
func TestRoundArrivesAsSent(t *testing.T) {
	f := newFoundation(t, Options{RequestsPerSecond: 10})
	serve(t, f)
	stream := subscribe(t, f, &loggregator_v2.EgressBatchRequest{Selectors: everything(), UsePreferredTags: true})
	for range 2 {
		if err := f.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_, egress, dropped := f.rlp.counts()
	if dropped != 0 || egress > readerBuffer {
		t.Fatalf("%d envelopes dropped, and %d not, of which a reader's buffer may not hold all", dropped, egress)
	}
	var received ledger
	for _, e := range receive(t, stream, egress) {
		if len(e.GetDeprecatedTags()) != 0 {
			t.Fatalf("deprecated tags in %v", e)
		}
		received.record(RLP, e)
	}
	sent := f.Sent()
	got := received.all()
	if len(got) != len(sent) {
		t.Fatalf("%d metrics received, %d sent", len(got), len(sent))
	}
	for i, s := range sent {
		g := got[i]
		if g.Name != s.Name || g.SourceID != s.SourceID || g.InstanceID != s.InstanceID || canonical(g.Tags) != canonical(s.Tags) ||
			g.Value != s.Value || g.Unit != s.Unit || g.Delta != s.Delta || g.Total != s.Total || g.Count != s.Count ||
			g.Timestamp != s.Timestamp {
			t.Errorf("received %+v\nsent     %+v", g, s)
		}
	}
}

// The shapes are those measured on the real Loggregator.
func TestShapesOfEnvelopes(t *testing.T) {
	f := newFoundation(t, Options{RequestsPerSecond: 10})
	serve(t, f)
	stream := subscribe(t, f, &loggregator_v2.EgressBatchRequest{Selectors: everything(), UsePreferredTags: true})
	if err := f.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, egress, _ := f.rlp.counts()
	envelopes := receive(t, stream, egress)
	find := func(match func(*v2) bool) *v2 {
		at := slices.IndexFunc(envelopes, match)
		if at < 0 {
			t.Fatal("no such envelope")
		}
		return envelopes[at]
	}
	vm := f.Inventory()[0]
	if vm.Job != "router" {
		t.Fatalf("the first VM is %+v", vm)
	}
	tags := map[string]string{
		"__v1_type":  "ValueMetric",
		"deployment": "cf",
		"index":      vm.Index,
		"ip":         vm.IP,
		"job":        "router",
		"origin":     "router__0",
	}
	got := find(func(e *v2) bool {
		return e.GetSourceId() == "router__0" && e.GetGauge().GetMetrics()["memoryStats.numBytesAllocated"] != nil
	})
	value := got.GetGauge().GetMetrics()["memoryStats.numBytesAllocated"].GetValue()
	want := &v2{
		Timestamp: testTime.UnixNano(),
		SourceId:  "router__0",
		Tags:      tags,
		Message: &loggregator_v2.Envelope_Gauge{
			Gauge: &loggregator_v2.Gauge{Metrics: map[string]*loggregator_v2.GaugeValue{
				"memoryStats.numBytesAllocated": {Unit: "count", Value: value},
			}},
		},
	}
	if !proto.Equal(got, want) || value == 0 {
		t.Errorf("value metric of dropsonde:\n%v\nwant\n%v", got, want)
	}

	got = find(func(e *v2) bool {
		return e.GetSourceId() == "router__0" && e.GetCounter().GetName() == "total_requests"
	})
	tags["__v1_type"] = "CounterEvent"
	want = &v2{
		Timestamp: testTime.UnixNano(),
		SourceId:  "router__0",
		Tags:      tags,
		Message: &loggregator_v2.Envelope_Counter{
			Counter: &loggregator_v2.Counter{
				Name:  "total_requests",
				Delta: got.GetCounter().GetDelta(),
				Total: got.GetCounter().GetDelta(),
			},
		},
	}
	if !proto.Equal(got, want) || got.GetCounter().GetDelta() == 0 {
		t.Errorf("counter event of dropsonde:\n%v\nwant\n%v", got, want)
	}

	got = find(func(e *v2) bool { return e.GetTimer() != nil && e.GetTags()["app_name"] != "" })
	tags = got.GetTags()
	for key, want := range map[string]string{"__v1_type": "HttpStartStop", "origin": "gorouter", "app_id": got.GetSourceId(), "component": "route-emitter"} {
		if tags[key] != want {
			t.Errorf("timer's tag %s is %q, want %q", key, tags[key], want)
		}
	}
	for _, key := range append([]string{"method", "status_code", "peer_type", "routing_instance_id"}, perRequest...) {
		if tags[key] == "" {
			t.Errorf("timer's tag %s is empty", key)
		}
	}
	if got.GetTimer().GetName() != "http" || got.GetTimer().GetStop() <= got.GetTimer().GetStart() ||
		tags["source_id"] != "" {
		t.Errorf("timer %v", got)
	}

	got = find(func(e *v2) bool { return e.GetTimer() != nil && e.GetTags()["app_name"] == "" })
	if _, ok := got.GetTags()["routing_instance_id"]; !ok || got.GetSourceId() != "gorouter" ||
		got.GetInstanceId() != "0" {
		t.Errorf("timer of a request without an app: %v", got)
	}

	got = find(func(e *v2) bool { return e.GetGauge().GetMetrics()["log_rate_limit"] != nil })
	if len(got.GetGauge().GetMetrics()) != 7 || got.GetGauge().GetMetrics()["log_rate_limit"].GetValue() != -1 {
		t.Errorf("container metrics %v", got)
	}
}

func TestSelectors(t *testing.T) {
	published := []*v2{
		gauge("a", "cpu", "memory"),
		gauge("b", "cpu"),
		counter("a", "requests", 1),
		counter("b", "errors", 1),
		{SourceId: "a", Message: &loggregator_v2.Envelope_Timer{Timer: &loggregator_v2.Timer{Name: "http"}}},
		{SourceId: "a", Message: &loggregator_v2.Envelope_Log{Log: &loggregator_v2.Log{Payload: []byte("x")}}},
		{SourceId: "b", Message: &loggregator_v2.Envelope_Event{Event: &loggregator_v2.Event{Title: "x"}}},
		{SourceId: "a"},
	}
	ofSource := func(s *loggregator_v2.Selector, id string) *loggregator_v2.Selector {
		s.SourceId = id
		return s
	}
	for name, tt := range map[string]struct {
		selectors []*loggregator_v2.Selector
		want      []int // which of the published, in order
	}{
		"gauge":               {[]*loggregator_v2.Selector{gaugeSelector()}, []int{0, 1}},
		"gauge names":         {[]*loggregator_v2.Selector{gaugeSelector("memory", "cpu")}, []int{0}},
		"gauge name":          {[]*loggregator_v2.Selector{gaugeSelector("cpu")}, []int{1}},
		"other gauge":         {[]*loggregator_v2.Selector{gaugeSelector("disk")}, nil},
		"counter":             {[]*loggregator_v2.Selector{counterSelector("")}, []int{2, 3}},
		"counter name":        {[]*loggregator_v2.Selector{counterSelector("errors")}, []int{3}},
		"timer":               {[]*loggregator_v2.Selector{timerSelector()}, []int{4}},
		"log":                 {[]*loggregator_v2.Selector{logSelector()}, []int{5}},
		"event":               {[]*loggregator_v2.Selector{eventSelector()}, []int{6}},
		"source":              {[]*loggregator_v2.Selector{ofSource(gaugeSelector(), "b")}, []int{1}},
		"all metrics":         {everything(), []int{0, 1, 2, 3, 4}},
		"overlap comes twice": {[]*loggregator_v2.Selector{counterSelector(""), ofSource(counterSelector(""), "a")}, []int{2, 2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFoundation(t, Options{})
			serve(t, f)
			stream := subscribe(t, f, &loggregator_v2.EgressBatchRequest{Selectors: tt.selectors, UsePreferredTags: true})
			for _, e := range published {
				f.rlp.publish(e)
			}
			ingress, egress, _ := f.rlp.counts()
			if ingress != len(published) || egress != len(tt.want) {
				t.Fatalf("%d of %d envelopes pass, want %d", egress, ingress, len(tt.want))
			}
			for i, e := range receive(t, stream, len(tt.want)) {
				if !proto.Equal(e, published[tt.want[i]]) {
					t.Errorf("envelope %d: %v, want %v", i, e, published[tt.want[i]])
				}
			}
		})
	}
}

func TestBadSelectorsAreInvalidArguments(t *testing.T) {
	f := newFoundation(t, Options{})
	serve(t, f)
	client := dial(t, f, f.ClientTLS())
	for name, selectors := range map[string][]*loggregator_v2.Selector{
		"none":              nil,
		"without a message": {gaugeSelector(), {SourceId: "a"}},
	} {
		batched, err := client.BatchedReceiver(t.Context(), &loggregator_v2.EgressBatchRequest{Selectors: selectors})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := batched.Recv(); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s, batched: %v", name, err)
		}
		single, err := client.Receiver(t.Context(), &loggregator_v2.EgressRequest{Selectors: selectors})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := single.Recv(); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s, single: %v", name, err)
		}
	}
	if n, _ := f.rlp.watch(); n != 0 {
		t.Errorf("%d readers", n)
	}
}

func TestDeprecatedTagsAndSingleEnvelopes(t *testing.T) {
	f := newFoundation(t, Options{})
	serve(t, f)
	old := subscribe(t, f, &loggregator_v2.EgressBatchRequest{Selectors: everything()})
	single, err := dial(
		t,
		f,
		f.ClientTLS(),
	).Receiver(t.Context(), &loggregator_v2.EgressRequest{Selectors: everything(), UsePreferredTags: true})
	if err != nil {
		t.Fatal(err)
	}
	await(t, f, 2)
	published := counter("a", "requests", 3)
	f.rlp.publish(published)

	want := counter("a", "requests", 3)
	want.Tags = nil
	want.DeprecatedTags = map[string]*loggregator_v2.Value{"origin": {Data: &loggregator_v2.Value_Text{Text: "a"}}}
	if got := receive(t, old, 1)[0]; !proto.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got, err := single.Recv(); err != nil || !proto.Equal(got, published) {
		t.Errorf("%v %v, want %v", got, err, published)
	}
}

// The RLP holds 10,000 envelopes for a reader that does not read, drops the newest, says so in the same stream, and
// goes on.
func TestSlowReaderLosesTheNewest(t *testing.T) {
	f := newFoundation(t, Options{})
	serve(t, f)
	stream := subscribe(t, f, &loggregator_v2.EgressBatchRequest{Selectors: everything(), UsePreferredTags: true})
	const published = 60_000
	for i := range published {
		f.rlp.publish(counter("a", "requests", uint64(i+1)))
	}
	_, egress, dropped := f.rlp.counts()
	if egress+dropped != published || dropped == 0 || egress < readerBuffer {
		t.Fatalf("%d passed and %d dropped of %d", egress, dropped, published)
	}
	last := uint64(0)
	for i, e := range receive(t, stream, egress) {
		total := e.GetCounter().GetTotal()
		if total <= last || i < readerBuffer && total != uint64(i+1) {
			t.Fatalf("envelope %d has the total %d after %d: not the oldest in order", i, total, last)
		}
		last = total
	}
	if err := f.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, after, _ := f.rlp.counts()
	var reported []uint64
	for _, e := range receive(t, stream, after-egress) {
		if e.GetCounter().GetName() == "dropped" && e.GetTags()["origin"] == "loggregator.rlp" &&
			e.GetTags()["direction"] == "egress" {
			reported = append(reported, e.GetCounter().GetTotal())
		}
	}
	if !slices.Equal(reported, []uint64{uint64(dropped), 0}) { // one of each VM of the job log-api
		t.Errorf("losses reported: %v, want %d and 0", reported, dropped)
	}
}
