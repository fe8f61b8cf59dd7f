package bench

import (
	"fmt"
	"hash/crc64"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

const (
	scaleoutName      = "LOGGREGATOR_EXPORTER_NOZZLE_DETERMINISTIC_NAME"
	scaleoutPace      = 50_000 // envelopes a second, of all exporters together
	scaleoutTurn      = 3 * time.Second
	scaleoutTurns     = 6      // of each group
	scaleoutInstances = 20_000 // of apps
	scaleoutApps      = 2_000
	scaleoutReports   = 100_000 // of different requests, two each
)

// BenchmarkScaleout reads the workload with one, two and four exporters, processes of their own that share it by
// deterministic names as dopplers share it, and reports what an envelope costs all exporters of a group together.
// The groups take turns, so that a busy machine is busy for all; of the turns the cheapest counts. At a pace every
// batch wakes a process that has slept; at full speed more exporters than there are cores wait for one another.
//
//	cd bench && go test -run '^$' -bench 'Scaleout|HotName' -benchtime 1x -timeout 30m .
func BenchmarkScaleout(b *testing.B) {
	batches := workload(b, streamOf)
	var fleets []*fleet
	for _, count := range []int{1, 2, 4} {
		fleets = append(fleets, startFleet(b, fmt.Sprintf("exporters=%d", count), share(b, batches, count)))
	}
	compare(b, fleets)
}

// BenchmarkHotName reads what one exporter gets however many there are: the container metrics of 20,000 instances of
// apps, whose envelopes all have the same seven names. Beside it stand the workload and requests.
func BenchmarkHotName(b *testing.B) {
	var fleets []*fleet
	for _, c := range []struct {
		name    string
		batches [][]byte
	}{
		{"workload", workload(b, streamOf)},
		{"containers", inBatches(b, containers())},
		{"requests", inBatches(b, requests())},
	} {
		fleets = append(fleets, startFleet(b, c.name, [][][]byte{c.batches}))
	}
	compare(b, fleets)
}

// share deals the envelopes of batches among readers as a doppler does, by the sum of the checksums of their names.
func share(b *testing.B, batches [][]byte, readers int) [][][]byte {
	b.Helper()
	ecma := crc64.MakeTable(crc64.ECMA)
	dealt := make([][]*loggregator_v2.Envelope, readers)
	for _, wire := range batches {
		var batch loggregator_v2.EnvelopeBatch
		if err := proto.Unmarshal(wire, &batch); err != nil {
			b.Fatal(err)
		}
		for _, e := range batch.GetBatch() {
			hash := uint64(0)
			if e.GetCounter() != nil {
				hash = crc64.Checksum([]byte(e.GetCounter().GetName()), ecma)
			}
			for name := range e.GetGauge().GetMetrics() {
				hash += crc64.Checksum([]byte(name), ecma)
			}
			to := hash % uint64(readers)
			dealt[to] = append(dealt[to], e)
		}
	}
	shares := make([][][]byte, readers)
	for i, envelopes := range dealt {
		shares[i] = inBatches(b, envelopes)
	}
	return shares
}

func inBatches(b *testing.B, envelopes []*loggregator_v2.Envelope) (batches [][]byte) {
	b.Helper()
	for chunk := range slices.Chunk(envelopes, batchSize) {
		wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(&loggregator_v2.EnvelopeBatch{Batch: chunk})
		if err != nil {
			b.Fatal(err)
		}
		batches = append(batches, wire)
	}
	return batches
}

// containers are one round of container metrics as a cell sends them, with the tags that an app has.
func containers() (envelopes []*loggregator_v2.Envelope) {
	now := time.Now().UnixNano()
	for i := range scaleoutInstances {
		e := &loggregator_v2.Envelope{
			Timestamp:  now,
			SourceId:   appID(i % scaleoutApps),
			InstanceId: strconv.Itoa(i / scaleoutApps),
			Tags:       appTags(i),
		}
		e.Message = &loggregator_v2.Envelope_Gauge{
			Gauge: &loggregator_v2.Gauge{Metrics: map[string]*loggregator_v2.GaugeValue{
				"cpu":          {Unit: "percentage", Value: float64(i%1000) / 10},
				"memory":       {Unit: "bytes", Value: float64(i) * 12345},
				"disk":         {Unit: "bytes", Value: float64(i) * 54321},
				"memory_quota": {Unit: "bytes", Value: 1 << 30}, "disk_quota": {Unit: "bytes", Value: 1 << 30},
				"log_rate": {Unit: "B/s", Value: float64(i % 20000)}, "log_rate_limit": {Unit: "B/s", Value: -1},
			}},
		}
		envelopes = append(envelopes, e)
	}
	return envelopes
}

// requests are reports of the gorouter, two of each request: by the server of the user, and by the client of the app.
func requests() (envelopes []*loggregator_v2.Envelope) {
	now := time.Now().UnixNano()
	for i := range scaleoutReports {
		tags := appTags(i / 2)
		maps.Copy(tags, map[string]string{
			"origin":         "gorouter",
			"job":            "router",
			"peer_type":      []string{"Server", "Client"}[i%2],
			"method":         "GET",
			"status_code":    []string{"200", "200", "404"}[i/2%3],
			"content_length": strconv.Itoa(i / 2),
			"uri":            "https://app.apps.example.com/items/" + strconv.Itoa(i/2),
			"request_id":     appID(1e6 + i/2),
			"remote_address": "10.0.4.7:40000",
			"user_agent":     "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
			"forwarded":      "203.0.113.7",
		})
		e := &loggregator_v2.Envelope{Timestamp: now, SourceId: appID(i / 2 % scaleoutApps), InstanceId: "0", Tags: tags}
		e.Message = &loggregator_v2.Envelope_Timer{
			Timer: &loggregator_v2.Timer{Name: "http", Start: now - int64(1+i%100)*int64(time.Millisecond), Stop: now},
		}
		envelopes = append(envelopes, e)
	}
	return envelopes
}

func appID(n int) string {
	return fmt.Sprintf("%08x-4d21-4b7e-9f05-%012x", uint32(n)*2654435761, n)
}

func appTags(instance int) map[string]string {
	app := instance % scaleoutApps
	return map[string]string{
		"deployment":          "cf-1e3f5a7b9c0d2e4f6a8b",
		"job":                 "diego-cell",
		"index":               appID(2e6 + instance/100),
		"ip":                  "10.0.5." + strconv.Itoa(instance/100%250),
		"origin":              "rep",
		"app_id":              appID(app),
		"app_name":            "app-" + strconv.Itoa(app),
		"space_id":            appID(3e6 + app/10),
		"space_name":          "space-" + strconv.Itoa(app/10),
		"organization_id":     appID(4e6 + app/50),
		"organization_name":   "org-" + strconv.Itoa(app/50),
		"process_id":          appID(app),
		"process_type":        "web",
		"process_instance_id": appID(5e6 + instance),
		"instance_id":         strconv.Itoa(instance / scaleoutApps),
		"source_id":           appID(app),
	}
}

// fleet is exporters that share a stream. The RLP is played by this process, whose processor time is not counted: it
// sends each reader, by its name, its share in cycles without end.
type fleet struct {
	name     string
	shares   [][][]byte // by the number that is the reader's name
	all      int        // batches
	programs []*program
	ready    atomic.Int32 // readers that have had a whole cycle

	turn sync.RWMutex // held for writing while it is not the fleet's turn
	pace atomic.Int64 // envelopes a second, of all readers together; 0 is as fast as they can
}

func (f *fleet) serve(_ any, stream grpc.ServerStream) error {
	var asked loggregator_v2.EgressBatchRequest
	if err := stream.RecvMsg(&asked); err != nil {
		return err
	}
	number, err := strconv.Atoi(asked.GetDeterministicName())
	if err != nil {
		return err
	}
	batches := f.shares[number]
	for cycle := 0; ; cycle++ {
		next := time.Now()
		for _, batch := range batches {
			if pace := f.pace.Load(); pace > 0 && cycle > 0 {
				// All shares take the same time.
				next = next.Add(time.Duration(f.all) * batchSize * time.Second / time.Duration(pace) / time.Duration(len(batches)))
				time.Sleep(time.Until(next))
			}
			f.turn.RLock()
			if behind := time.Since(next); behind > time.Second/2 {
				next = next.Add(behind) // it was not its turn
			}
			err := stream.SendMsg(batch)
			f.turn.RUnlock()
			if err != nil {
				return err
			}
		}
		if cycle == 0 {
			f.ready.Add(1)
		}
	}
}

// dealt sends bytes and reads requests.
type dealt struct{ raw }

func (dealt) Unmarshal(data mem.BufferSlice, v any) error {
	return proto.Unmarshal(data.Materialize(), v.(*loggregator_v2.EgressBatchRequest))
}

// startFleet starts an exporter for each share, and stops the stream when all of them know all of their series.
func startFleet(b *testing.B, name string, shares [][][]byte) *fleet {
	b.Helper()
	if b.N > 1 {
		b.Fatal("run it once, with -benchtime 1x")
	}
	f := &fleet{name: name, shares: shares}
	for _, batches := range shares {
		f.all += len(batches)
	}
	file, config := newCertificate(b)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(config)),
		grpc.ForceServerCodecV2(dealt{}),
		grpc.UnknownServiceHandler(f.serve),
	)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	for i := range shares {
		b.Setenv(scaleoutName, strconv.Itoa(i))
		f.programs = append(f.programs, startExporter(b, listener.Addr().String(), file))
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for int(f.ready.Load()) < len(shares) {
		<-tick.C
	}
	f.turn.Lock()
	b.Cleanup(func() {
		f.turn.Unlock()
		server.Stop()
		if err := <-served; err != nil {
			b.Error(err)
		}
	})
	return f
}

// measure lets the fleet have its turn, and returns the processor time of an envelope in nanoseconds and their rate.
func (f *fleet) measure(b *testing.B, pace int64) (cost, rate float64) {
	b.Helper()
	f.pace.Store(pace)
	taken, used := f.received(b), f.used(b)
	began := time.Now()
	f.turn.Unlock()
	time.Sleep(scaleoutTurn)
	f.turn.Lock()
	took := time.Since(began)
	time.Sleep(scaleoutTurn / 10) // what is on its way
	used = f.used(b) - used       // to ask costs something, too
	taken = f.received(b) - taken
	return float64(used) / taken, taken / took.Seconds()
}

// used is the processor time of all exporters.
func (f *fleet) used(b *testing.B) (used time.Duration) {
	b.Helper()
	for _, p := range f.programs {
		used += p.cpu(b)
	}
	return used
}

func (f *fleet) received(b *testing.B) (envelopes float64) {
	b.Helper()
	for _, p := range f.programs {
		envelopes += p.value(b, "loggregator_exporter_envelopes_received_total")
	}
	return envelopes
}

// compare lets fleets take turns, at a pace and at full speed, and reports the cheapest turns.
func compare(b *testing.B, fleets []*fleet) {
	b.Helper()
	b.ReportMetric(0, "ns/op")
	for _, pace := range []int64{scaleoutPace, 0} {
		costs, rates := make([]float64, len(fleets)), make([]float64, len(fleets))
		for range scaleoutTurns {
			for i, f := range fleets {
				cost, rate := f.measure(b, pace)
				if costs[i] == 0 || cost < costs[i] {
					costs[i] = cost
				}
				rates[i] = max(rates[i], rate)
			}
		}
		for i, f := range fleets {
			b.Logf(
				"%-12s pace %6d/s: %5.0f ns of CPU an envelope, %.2f times the first; %7.0f envelopes/s at most",
				f.name,
				pace,
				costs[i],
				costs[i]/costs[0],
				rates[i],
			)
			b.ReportMetric(costs[i], fmt.Sprintf("cpu-ns/envelope-%s-pace-%d", f.name, pace))
		}
	}
	for _, f := range fleets {
		f.describe(b)
	}
}

// describe logs how even the shares are, and what they take.
func (f *fleet) describe(b *testing.B) {
	b.Helper()
	most, size := 0, 0
	for _, batches := range f.shares {
		most = max(most, len(batches))
		for _, batch := range batches {
			size += len(batch)
		}
	}
	memory, series := 0.0, 0.0
	for _, p := range f.programs {
		memory += p.memory(b, "VmRSS")
		series += p.value(b, "loggregator_exporter_series")
	}
	b.Logf(
		"%-12s busiest exporter %.2f of the mean; %.0f bytes an envelope; %.0f series, %.0f MiB resident together",
		f.name,
		float64(most*len(f.shares))/float64(f.all),
		float64(size)/float64(f.all*batchSize),
		series,
		memory,
	)
}
