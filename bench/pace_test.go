package bench

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

const (
	baselineEnv = "BENCH_BASELINE" // file of another build of the exporter to compare with
	runsEnv     = "BENCH_RUNS"     // runs of each build, in turns; 3 by default
	paceSeries  = 10_000
	paceTime    = 5 * time.Second // of one run
	// startTime is left out: by its end the program knows that it has little to do, and work.
	startTime = 22 * time.Second

	nameRLP, nameGateway, nameFirehose         = "rlp", "gateway", "firehose"
	nameIngress, nameSyslog, nameOTLP, nameUDP = "ingress", "syslog", "otlp", "udp"
)

// paced are the sources with the rates that are measured, in envelopes a second.
var paced = []struct {
	source string
	sender string // the variable of the process that sends
	listen bool   // the source listens
	rates  []int
}{
	{nameRLP, serverEnv, false, []int{500, 5_000, 50_000}},
	{nameGateway, httpsEnv, false, []int{500, 5_000, 50_000}},
	{nameFirehose, httpsEnv, false, []int{500, 5_000, 50_000}},
	{nameUDP, udpEnv, true, []int{200, 5_000, 50_000}},
	{nameIngress, agentEnv, true, []int{500, 5_000, 50_000}},
	{nameSyslog, syslogEnv, true, []int{500, 5_000, 50_000}},
	{nameOTLP, otlpEnv, true, []int{500, 5_000, 50_000}},
}

// sourceFlags let an exporter read one source, at an address, with one certificate for everything.
func sourceFlags(source, address, certificate string) []string {
	flags := []string{"--nozzle.udp.enabled=" + strconv.FormatBool(source == nameUDP)}
	set := func(key, value string) { flags = append(flags, "--nozzle."+source+"."+key+"="+value) }
	set("enabled", "true")
	switch source {
	case nameRLP:
		set("address", address)
	case nameGateway, nameFirehose:
		scheme := map[string]string{nameGateway: "https", nameFirehose: "wss"}[source]
		set("url", scheme+"://"+address)
		set("tls.skip_verify", "true")
		return append(flags, "--uaa.url=https://"+address, "--uaa.client_id=a", "--uaa.tls.skip_verify")
	default:
		set("listen_address", address)
	}
	if source != nameUDP {
		for _, file := range []string{"ca_file", "cert_file", "key_file"} {
			set("tls."+file, certificate)
		}
	}
	return flags
}

// BenchmarkPace shows what an envelope costs at the pace of a foundation, where most of it is waking up: of the whole
// program, in processor time as the kernel counts it, and in how often a thread went to sleep. BENCH_BASELINE names
// another build, which runs in turns; ratio is that of the least figures. A run takes some
// twenty seconds:
//
//	BENCH_BASELINE=/tmp/before BENCH_RUNS=10 go test -run '^$' -bench 'Pace/source=rlp' -benchtime 1x -timeout 1h
func BenchmarkPace(b *testing.B) {
	b.Setenv("LOGGREGATOR_EXPORTER_UAA_CLIENT_SECRET", "b")
	binary := buildExporter(b)
	for _, of := range paced {
		for _, rate := range of.rates {
			b.Run(fmt.Sprintf("source=%s/rate=%d", of.source, rate), func(b *testing.B) {
				inTurns(b, binary, func(b *testing.B, binary string) usage {
					b.Helper()
					series := min(paceSeries, rate*10)
					setPace(b, series, rate)
					return pacedRun(b, binary, of.source, of.sender, of.listen, series)
				})
			})
		}
	}
}

// BenchmarkIdle shows what a sidecar costs that listens for datagrams, and gets none.
func BenchmarkIdle(b *testing.B) {
	inTurns(b, buildExporter(b), func(b *testing.B, binary string) usage {
		b.Helper()
		p := startExporter(b, binary, sourceFlags(nameUDP, freeAddress(b), "")...)
		defer p.stop()
		time.Sleep(startTime)
		return p.use(b, time.Minute)
	})
}

// usage is what a program used in some time.
type usage struct {
	seconds   float64
	cpu       float64 // in nanoseconds
	switches  float64
	envelopes float64 // that came; 0 for a program without anything to do
	resident  float64 // in MiB
}

// each is the usage of an envelope, or of a second where there are none.
func (u usage) each() usage {
	n := cmp.Or(u.envelopes, u.seconds)
	u.cpu, u.switches = u.cpu/n, u.switches/n
	return u
}

// least has the least of each figure.
func least(of []usage) usage {
	u := of[0].each()
	for _, other := range of[1:] {
		o := other.each()
		u.cpu, u.switches, u.resident = min(u.cpu, o.cpu), min(u.switches, o.switches), min(u.resident, o.resident)
	}
	return u
}

// turns calls run with this build and the one that BENCH_BASELINE names, if it does, as often as BENCH_RUNS says.
func turns(b *testing.B, binary string, run func(binary string, baseline bool)) {
	b.Helper()
	runs, err := strconv.Atoi(cmp.Or(os.Getenv(runsEnv), "3"))
	if err != nil || runs < 1 || b.N > 1 {
		b.Fatal("run it once, with -benchtime 1x; BENCH_RUNS is a number: ", err)
	}
	for range runs {
		run(binary, false)
		if baseline := os.Getenv(baselineEnv); baseline != "" {
			run(baseline, true)
		}
	}
}

// inTurns measures this build and the one that BENCH_BASELINE names, if it does.
func inTurns(b *testing.B, binary string, run func(b *testing.B, binary string) usage) {
	b.Helper()
	var ours, theirs []usage
	turns(b, binary, func(binary string, baseline bool) {
		if baseline {
			theirs = append(theirs, run(b, binary))
		} else {
			ours = append(ours, run(b, binary))
		}
	})
	u, unit := least(ours), "envelope"
	if ours[0].envelopes == 0 {
		unit = "second"
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(u.cpu, "cpu-ns/"+unit)
	b.ReportMetric(1000*u.switches, "switches/1000-"+unit+"s")
	b.ReportMetric(u.resident, "MiB-resident")
	if len(theirs) > 0 {
		before := least(theirs)
		b.ReportMetric(u.cpu/before.cpu, "cpu-ratio")
		b.ReportMetric(u.switches/before.switches, "switches-ratio")
		b.ReportMetric(u.resident/before.resident, "MiB-ratio")
	}
}

// pacedRun starts an exporter and what sends to it, and measures it once it has all series.
func pacedRun(b *testing.B, binary, source, sender string, listens bool, series int) usage {
	b.Helper()
	certificate, _ := newCertificate(b)
	var stop func()
	var p *program
	if listens {
		address := freeAddress(b)
		p = startExporter(b, binary, sourceFlags(source, address, certificate)...)
		p.awaitPage(b)
		stop = startSender(b, sender, certificate, address)
	} else {
		var address string
		address, stop = startServerWith(b, sender, certificate)
		p = startExporter(b, binary, sourceFlags(source, address, certificate)...)
	}
	defer stop()
	defer p.stop()
	p.awaitSeries(b, float64(series))
	time.Sleep(startTime)
	return p.use(b, paceTime)
}

// use is what a program uses in some time.
func (p *program) use(b *testing.B, took time.Duration) usage {
	b.Helper()
	received := p.value(b, receivedTotal)
	u := p.sleep(b, took)
	u.envelopes = p.value(b, receivedTotal) - received
	return u
}

// sleep is what a program uses in some time, without what came.
func (p *program) sleep(b *testing.B, took time.Duration) usage {
	b.Helper()
	cpu, switches, began := p.cpu(b), p.switches(b), time.Now()
	time.Sleep(took)
	return usage{
		cpu: float64(p.cpu(b) - cpu), switches: float64(p.switches(b) - switches), seconds: time.Since(began).Seconds(),
		resident: p.memory(b, "VmRSS"),
	}
}
