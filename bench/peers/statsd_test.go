package peers

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloudfoundry/sonde-go/events"
	"google.golang.org/protobuf/proto"
)

// mapping is read by both programs.
const mapping = `mappings:
- {match: "*.memoryStats.*", name: "memory_$2", labels: {component: "$1", type: vm_memory}}
- {match: "*.latency.*", name: "latency_$2", labels: {component: "$1"}}
- {match: "*.requests.*.*", name: "requests", labels: {component: "$1", status: "$2", zone: "$3"}}
- {match: "*.queue.*.*", name: "queue_$3", labels: {component: "$1", queue: "$2"}}
`

// datagrams are gauges of a hundred VMs, as dropsonde sends them and as statsd does with the tags of DogStatsD: the
// same names, values and tags, a metric each.
func datagrams(b *testing.B) (dropsonde, statsd [][]byte) {
	b.Helper()
	shapes := []string{"memoryStats.value%d", "latency.target%d", "requests.2xx.z%d", "queue.jobs.depth%d"}
	for vm := range series / 100 {
		index, ip := fmt.Sprintf("%08x-4d21-4b7e-9f05-%012x", vm*7919, vm), fmt.Sprintf("10.0.0.%d", vm)
		component := fmt.Sprintf("component%d", vm%8)
		for i := range 100 {
			name := component + "." + fmt.Sprintf(shapes[i%len(shapes)], i)
			value := float64(i * vm)
			bytes, err := proto.Marshal(&events.Envelope{
				Origin: &component, EventType: events.Envelope_ValueMetric.Enum(), Timestamp: new(time.Now().UnixNano()),
				Deployment: new("cf-1e3f5a7b9c0d2e4f6a8b"), Job: &component, Index: &index, Ip: &ip,
				ValueMetric: &events.ValueMetric{Name: &name, Value: &value, Unit: new("")},
			})
			if err != nil {
				b.Fatal(err)
			}
			dropsonde = append(dropsonde, bytes)
			statsd = append(statsd, fmt.Appendf(nil, "%s:%v|g|#origin:%s,deployment:cf-1e3f5a7b9c0d2e4f6a8b,job:%s,index:%s,ip:%s",
				name, value, component, component, index, ip))
		}
	}
	return dropsonde, statsd
}

// BenchmarkStatsd takes gauges by datagrams, a metric each, and offers a page: the exporter from dropsonde's, and
// statsd_exporter from statsd's with the same names, tags and mappings.
func BenchmarkStatsd(b *testing.B) {
	dropsonde, statsd := datagrams(b)
	file := filepath.Join(b.TempDir(), "mapping.yml")
	if err := os.WriteFile(file, []byte(mapping), 0o600); err != nil {
		b.Fatal(err)
	}
	compare(b, "statsd_exporter", func(b *testing.B) cost {
		b.Helper()
		page, to := free(b), free(b)
		p := start(b, page, build(b, "../..", "./cmd/exporter"), "run", "--web.listen_address", page,
			"--nozzle.udp.listen_address", to, "--tagger.rules_files", file)
		return p.measure(b, `bosh_job_ip="10.0.0.`, pour(b, to, dropsonde))
	}, func(b *testing.B) cost {
		b.Helper()
		page, to := free(b), free(b)
		p := start(b, page, build(b, ".", "github.com/prometheus/statsd_exporter"), "--web.listen-address", page,
			"--statsd.listen-udp", to, "--statsd.listen-tcp", "", "--statsd.mapping-config", file,
			"--statsd.read-buffer", "4194304", "--log.level", "error")
		return p.measure(b, `ip="10.0.0.`, pour(b, to, statsd))
	})
}

// pour returns a function that sends all datagrams, at a pace at which no socket overflows.
func pour(b *testing.B, to string, datagrams [][]byte) func() {
	b.Helper()
	conn, err := net.Dial("udp", to)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	return func() {
		for i, d := range datagrams {
			if _, err := conn.Write(d); err != nil && !strings.Contains(err.Error(), "refused") {
				b.Fatal(err)
			}
			if i%100 == 99 {
				time.Sleep(5 * time.Millisecond)
			}
		}
		time.Sleep(500 * time.Millisecond) // until statsd_exporter has emptied its queue, twice in this time
	}
}
