package foundation

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// otlpReceiver takes requests for a test, and answers as that says.
type otlpReceiver struct {
	requests chan *metricsv1.MetricsData
	port     string
	server   *grpc.Server

	mu     sync.Mutex
	answer func(context.Context) error // nil is OK
}

func (r *otlpReceiver) answering(answer func(context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func refusing(code codes.Code) func(context.Context) error {
	return func(context.Context) error { return status.Error(code, "refused") }
}

//nolint:revive // the order of parameters is gRPC's
func (r *otlpReceiver) export(
	_ any,
	ctx context.Context,
	decode func(any) error,
	_ grpc.UnaryServerInterceptor,
) (any, error) {
	var request metricsv1.MetricsData
	if err := decode(&request); err != nil {
		return nil, err
	}
	r.mu.Lock()
	answer := r.answer
	r.mu.Unlock()
	if answer != nil {
		if err := answer(ctx); err != nil {
			return nil, err
		}
	}
	select {
	case r.requests <- &request:
		return &emptypb.Empty{}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func serveOTLP(t *testing.T, listener net.Listener, config *tls.Config) *otlpReceiver {
	t.Helper()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	r := &otlpReceiver{requests: make(chan *metricsv1.MetricsData, 10_000), port: port}
	r.server = grpc.NewServer(grpc.Creds(credentials.NewTLS(config)))
	r.server.RegisterService(&grpc.ServiceDesc{
		ServiceName: otlpService, HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Export", Handler: r.export}},
	}, r)
	done := make(chan error, 1)
	go func() { done <- r.server.Serve(listener) }()
	t.Cleanup(func() {
		r.server.Stop()
		if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	})
	return r
}

func metricsOf(r *metricsv1.MetricsData) []*metricsv1.Metric {
	return r.GetResourceMetrics()[0].GetScopeMetrics()[0].GetMetrics()
}

// testOTLPAgent runs an agent and a receiver in simulated time.
func testOTLPAgent(t *testing.T, o OTLPAgentOptions, f func(*testing.T, *OTLPAgent, *otlpReceiver)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		found, network := newFoundation(t, Options{Now: time.Now}), &Memory{}
		r := serveOTLP(t, network.Listen(), found.CollectorTLS())
		o.PortFile = portFile(t, "ingress: "+r.port+"\nprotocol: otelcol\n")
		o.TLS, o.Network = found.OTLPClientTLS(), network
		a := NewOTLPAgent(o)
		runInBackground(t, a.Run)
		f(t, a, r)
	})
}

// Requests hold 100 metrics, come in order and, where they do not fill, after the interval, without a resource.
func TestOTLPAgentBatches(t *testing.T) {
	testOTLPAgent(t, OTLPAgentOptions{}, func(t *testing.T, a *OTLPAgent, r *otlpReceiver) {
		t.Helper()
		began := time.Now()
		for i := range 350 {
			e := deltaOne("n", "0")
			e.GetCounter().Total = uint64(i)
			a.Emit(e)
		}
		a.Emit(&v2{Message: &loggregator_v2.Envelope_Log{Log: &loggregator_v2.Log{}}})
		a.Emit(&v2{Message: &loggregator_v2.Envelope_Timer{Timer: &loggregator_v2.Timer{Name: "http"}}})
		var sizes []int
		total := int64(0)
		for range 4 {
			request := next(t, r.requests)
			if request.GetResourceMetrics()[0].Resource != nil ||
				request.GetResourceMetrics()[0].GetScopeMetrics()[0].Scope != nil {
				t.Error("a request has a resource or a scope")
			}
			metrics := metricsOf(request)
			sizes = append(sizes, len(metrics))
			for _, m := range metrics {
				if got := m.GetSum().GetDataPoints()[0].GetAsInt(); got != total || len(m.GetSum().GetDataPoints()) != 1 {
					t.Fatalf("total %d, want %d", got, total)
				}
				total++
			}
		}
		if took := time.Since(began); !slices.Equal(sizes, []int{100, 100, 100, 50}) || took != 100*time.Millisecond {
			t.Errorf("requests of %v, the last one after %v", sizes, took)
		}
		synctest.Wait()
		if c := a.Counts(); c != (OTLPAgentCounts{Emitted: 352, Ignored: 2, Delivered: 350, Batches: 4}) {
			t.Errorf("%+v", c)
		}
	})
}

// Everything about the sender is in attributes, as text and in random order; a counter has its total without the top
// bit, a gauge a metric for each point.
func TestOTLPAgentMetrics(t *testing.T) {
	a := NewOTLPAgent(OTLPAgentOptions{})
	gauge := &v2{
		SourceId:   "",
		InstanceId: "7",
		Timestamp:  -1,
		Tags: map[string]string{
			"origin": "rep", "source_id": "not this", "instance_id": "nor this", "__v1_type": "ValueMetric", "span_id": "s",
			"trace_id": "t", "empty": "",
		},
		DeprecatedTags: map[string]*loggregator_v2.Value{
			"int": {
				Data: &loggregator_v2.Value_Integer{Integer: 42},
			},
			"dec":    {Data: &loggregator_v2.Value_Decimal{Decimal: 1.5}},
			"origin": {Data: &loggregator_v2.Value_Text{Text: "older"}},
		},
		Message: &loggregator_v2.Envelope_Gauge{
			Gauge: &loggregator_v2.Gauge{Metrics: map[string]*loggregator_v2.GaugeValue{
				"a": {Unit: "ms", Value: 1}, "": {Value: 2},
			}},
		},
	}
	orders, names := map[string]bool{}, map[string]bool{}
	for range 50 {
		metrics := otlpMetrics(gauge, a.rng)
		if len(metrics) != 2 {
			t.Fatalf("%d metrics", len(metrics))
		}
		names[metrics[0].GetName()] = true
		p := metrics[0].GetGauge().GetDataPoints()[0]
		order, got := "", map[string]string{}
		for _, kv := range p.GetAttributes() {
			order += kv.GetKey() + " "
			got[kv.GetKey()] = kv.GetValue().GetStringValue()
		}
		orders[order] = true
		want := map[string]string{
			"source_id": "rep", "instance_id": "7", "origin": "rep", "empty": "", "int": "42", "dec": "1.5",
		}
		if len(got) != len(p.GetAttributes()) || len(got) != len(want) || p.GetTimeUnixNano() != math.MaxUint64 ||
			p.GetStartTimeUnixNano() != 0 {
			t.Fatalf("%v", p)
		}
		for key, value := range want {
			if got[key] != value {
				t.Errorf("%s: %q, want %q", key, got[key], value)
			}
		}
	}
	if len(orders) < 10 || len(names) != 2 {
		t.Errorf("%d orders of attributes, %d of metrics", len(orders), len(names))
	}
	for total, want := range map[uint64]int64{math.MaxUint64: math.MaxInt64, 1<<63 + 5: 5, 10: 10} {
		e := deltaOne("n", "0")
		e.GetCounter().Total = total
		m := otlpMetrics(e, a.rng)[0]
		if got := m.GetSum().GetDataPoints()[0].GetAsInt(); got != want || !m.GetSum().GetIsMonotonic() ||
			m.GetUnit() != "" {
			t.Errorf("%d: %v", total, m)
		}
	}
}

// An agent that sends again does so for 91 s, in the background: new batches overtake, and what is old floods in at
// last. An earlier one loses what is refused.
func TestOTLPAgentRetries(t *testing.T) {
	outage := func(t *testing.T, retries bool) (totals []int64, counts OTLPAgentCounts) {
		t.Helper()
		testOTLPAgent(t, OTLPAgentOptions{Retries: retries}, func(t *testing.T, a *OTLPAgent, r *otlpReceiver) {
			t.Helper()
			r.answering(refusing(codes.Unavailable))
			for i := range 300 { // one a second
				if i == 120 {
					r.answering(nil)
				}
				e := deltaOne("n", "0")
				e.GetCounter().Total = uint64(i)
				a.Emit(e)
				time.Sleep(time.Second)
			}
			synctest.Wait()
			for len(r.requests) > 0 {
				totals = append(totals, metricsOf(<-r.requests)[0].GetSum().GetDataPoints()[0].GetAsInt())
			}
			counts = a.Counts()
		})
		return totals, counts
	}
	totals, c := outage(t, true)
	back := 0
	for i := 1; i < len(totals); i++ {
		if totals[i] < slices.Max(totals[:i]) {
			back++
		}
	}
	// The last try of what came in the first seconds is over when the receiver is back.
	if c.Lost != 29 || c.Delivered != 271 || back == 0 || totals[0] < 29 {
		t.Errorf("sends again: %+v, %d totals after a higher one, first %v", c, back, totals[:3])
	}
	totals, c = outage(t, false)
	if c.Lost != 120 || c.Retries != 0 || !slices.IsSorted(totals) || totals[0] != 120 {
		t.Errorf("does not: %+v", c)
	}
}

// What is refused for another reason is lost at once.
func TestOTLPAgentGivesUp(t *testing.T) {
	for _, code := range []codes.Code{codes.ResourceExhausted, codes.InvalidArgument, codes.DeadlineExceeded} {
		testOTLPAgent(t, OTLPAgentOptions{Retries: true}, func(t *testing.T, a *OTLPAgent, r *otlpReceiver) {
			t.Helper()
			r.answering(refusing(code))
			a.Emit(deltaOne("n", "0"))
			time.Sleep(2 * time.Minute)
			if c := a.Counts(); c.Lost != 1 || c.Retries != 0 {
				t.Errorf("%v: %+v", code, c)
			}
		})
	}
}

// A receiver that does not answer stops the agent; its buffer is lost as a block, again and again.
func TestOTLPAgentBlocks(t *testing.T) {
	testOTLPAgent(t, OTLPAgentOptions{}, func(t *testing.T, a *OTLPAgent, r *otlpReceiver) {
		t.Helper()
		release := make(chan struct{})
		r.answering(func(ctx context.Context) error {
			select {
			case <-release:
			case <-ctx.Done():
			}
			return nil
		})
		for range 100 {
			a.Emit(deltaOne("n", "0"))
		}
		synctest.Wait()
		for range 25_000 {
			a.Emit(deltaOne("n", "0"))
		}
		time.Sleep(time.Hour)
		if c := a.Counts(); c.Batches != 1 || c.Overflowed != 20_000 || c.Delivered != 0 {
			t.Errorf("%+v", c)
		}
		close(release)
		time.Sleep(time.Second)
		if c := a.Counts(); c.Delivered != 5100 || !a.Idle() {
			t.Errorf("%+v", c)
		}
	})
}

// An agent takes a port file for a collector's only with exactly that protocol, and a certificate only with its name.
func TestOTLPAgentFindsItsCollector(t *testing.T) {
	for protocol, want := range map[string]uint64{"otelcol": 1, "OTELCOL": 0, "": 0} {
		synctest.Test(t, func(t *testing.T) {
			f, network := newFoundation(t, Options{Now: time.Now}), &Memory{}
			r := serveOTLP(t, network.Listen(), f.CollectorTLS())
			a := NewOTLPAgent(OTLPAgentOptions{
				PortFile: portFile(t, "ingress: "+r.port+"\nprotocol: "+protocol), TLS: f.OTLPClientTLS(), Network: network,
			})
			runInBackground(t, a.Run)
			a.Emit(deltaOne("n", "0"))
			time.Sleep(time.Minute)
			if c := a.Counts(); c.Delivered != want {
				t.Errorf("%q: %+v", protocol, c)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		f, network := newFoundation(t, Options{Now: time.Now}), &Memory{}
		r := serveOTLP(t, network.Listen(), f.DownstreamTLS())
		a := NewOTLPAgent(OTLPAgentOptions{TLS: f.OTLPClientTLS(), Network: network})
		port, _ := strconv.Atoi(r.port)
		a.Connect(f.OTLPClientTLS(), port)
		runInBackground(t, a.Run)
		a.Emit(deltaOne("n", "0"))
		time.Sleep(time.Minute)
		if c := a.Counts(); c.Lost != 1 {
			t.Errorf("%+v", c)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := NewOTLPAgent(OTLPAgentOptions{PortFile: filepath.Join(t.TempDir(), "none")}).Run(ctx); err != nil {
		t.Error(err)
	}
	if err := NewOTLPAgent(OTLPAgentOptions{PortFile: portFile(t, "ingress: x")}).Run(ctx); err == nil {
		t.Error("the agent lives")
	}
}

// A collector's ten workers overtake one another, with gRPC and HTTP; what is refused for a while comes later.
func TestCollector(t *testing.T) {
	f := newFoundation(t, Options{})
	for _, exporter := range []CollectorExporter{OTLPByGRPC, OTLPByHTTP, OTLPByJSON} {
		t.Run(string(exporter), func(t *testing.T) {
			o := CollectorOptions{Exporter: exporter, Lateness: 2 * time.Millisecond, RetryFrom: time.Millisecond}
			arrived := make(chan struct{}, 1000)
			first := make(chan struct{}, 1)
			first <- struct{}{}
			busy := func() bool { // once
				select {
				case <-first:
					return true
				default:
					arrived <- struct{}{}
					return false
				}
			}
			if exporter == OTLPByGRPC {
				r := serveOTLP(t, listenLocally(t), f.CollectorTLS())
				r.answering(func(context.Context) error {
					if busy() {
						return status.Error(codes.Unavailable, "busy")
					}
					return nil
				})
				o.To, o.TLS = "127.0.0.1:"+r.port, f.OTLPClientTLS()
			} else {
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Content-Encoding") != "gzip" || r.URL.Path != "/v1/metrics" {
						t.Errorf("%s, %v", r.URL, r.Header)
					}
					if busy() {
						w.WriteHeader(http.StatusServiceUnavailable)
					}
				}))
				t.Cleanup(server.Close)
				o.To = server.URL
			}
			c, err := NewCollector(o)
			if err != nil {
				t.Fatal(err)
			}
			listener := listenLocally(t)
			runInBackground(t, func(ctx context.Context) error { return c.Run(ctx, listener, f.CollectorTLS()) })
			a := NewOTLPAgent(OTLPAgentOptions{Interval: time.Millisecond})
			a.Connect(f.OTLPClientTLS(), listener.Addr().(*net.TCPAddr).Port)
			runInBackground(t, a.Run)
			for range 2000 {
				a.Emit(deltaOne("n", "0"))
			}
			for range 20 {
				next(t, arrived)
			}
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for { // until what was answered is counted; the test's own timeout ends it
				taken, delivered, lost, retries := c.Counts()
				if delivered == taken && taken >= 20 {
					if lost != 0 || retries != 1 {
						t.Errorf("%d taken, %d lost, %d sent again", taken, lost, retries)
					}
					return
				}
				<-tick.C
			}
		})
	}
}
