package remotewrite

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// foundationLike is n gauges in families of 100 series, with 9 labels of the cardinalities that VMs have.
func foundationLike(n int) *holding {
	var families []store.Family
	for i := range n / 100 {
		families = append(families, gauge(fmt.Sprintf("cf_metric_%04d_bytes", i)))
	}
	c := (&holding{}).set(families...)
	var samples []store.Sample
	for vm := range 100 {
		component := fmt.Sprintf("component%d", vm%20)
		samples = append(samples, one(float64(vm),
			"bosh_deployment", "cf", "bosh_job_id", fmt.Sprintf("6d0e3969-a5ce-412f-bf6c-d6c571b0%04d", vm),
			"bosh_job_ip", fmt.Sprintf("10.0.16.%d", vm), "bosh_job_name", fmt.Sprintf("job%d", vm%20),
			"component", component, "index", fmt.Sprint(vm/20), "instance_id", fmt.Sprint(vm/20),
			"origin", fmt.Sprintf("%s__%d", component, vm/20), "type", "vm_memory"))
	}
	for _, f := range families {
		c.fill(f.Name, samples...)
	}
	return c
}

// discard takes batches out of the queue, forgets them and returns their size.
func discard(p *Pusher) (bytes int) {
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	for len(p.queue.waiting) > 0 {
		b := p.queue.takeOldest()
		bytes += len(b.body)
		p.queue.metrics.queued(b, -1, 0)
		p.queue.reuse(b)
	}
	return bytes
}

// cpu is the processor time of the process, which other processes do not disturb.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkRound(b *testing.B) {
	const series = 100_000
	for _, protocol := range []string{Protocol1, Protocol2} {
		b.Run(protocol, func(b *testing.B) {
			p, _ := newPusher(b, testOptions(protocol), foundationLike(series), &receiver{})
			p.rounds.metadata = nil
			bytes := 0
			b.ReportAllocs()
			before := cpu()
			for b.Loop() {
				p.rounds.collect(context.Background(), time.Minute)
				bytes = discard(p)
			}
			b.ReportMetric(float64(cpu()-before)/float64(b.N)/series, "cpu-ns/sample")
			b.ReportMetric(float64(bytes)/series, "bytes/sample")
		})
	}
}

// A round allocates for its families and batches, not for its series.
func TestRoundAllocs(t *testing.T) {
	for _, protocol := range []string{Protocol1, Protocol2} {
		p, _ := newPusher(t, testOptions(protocol), foundationLike(20_000), &receiver{})
		p.rounds.metadata = nil
		round := func() {
			p.rounds.collect(t.Context(), time.Minute)
			discard(p)
		}
		round()
		if n := testing.AllocsPerRun(5, round); n > 2000 { // 200 families, 10 batches
			t.Errorf("%s: %v allocations a round of 20,000 samples", protocol, n)
		}
	}
}

// The tracker keeps the header of a string for each series.
func TestTrackerMemory(t *testing.T) {
	const n = 100_000
	labels := make([]metric.Labels, n)
	for i := range labels {
		labels[i] = metric.Labels(fmt.Sprintf(`x="%06d"`, i))
	}
	var k tracker
	e := &counting{}
	feed := func() {
		k.begin()
		f := family{name: "a"}
		for part := range 10 { // families, of which only the largest counts twice
			k.openFamily(fmt.Sprint("a", part), &f, e)
			for _, l := range labels[part*n/10 : (part+1)*n/10] {
				k.add(l, &shape{}, e)
			}
			k.closeFamily(e)
		}
		k.commit(e)
	}
	feed()
	feed()
	bytes := cap(k.labels)*int(unsafe.Sizeof(metric.Labels(""))) + cap(k.shapes)*int(unsafe.Sizeof(shape{}))
	for _, family := range k.known {
		bytes += cap(family.labels)*int(unsafe.Sizeof(metric.Labels(""))) + cap(family.shapes)*int(unsafe.Sizeof(shape{}))
	}
	if perSeries := float64(bytes) / n; perSeries > 24 {
		t.Errorf("%.1f bytes a series", perSeries)
	}
	if e.ended != 0 {
		t.Errorf("%d series ended", e.ended)
	}
	k.endAll(e)
	if e.ended != n {
		t.Errorf("%d of %d series ended", e.ended, n)
	}
}

type counting struct{ ended int }

func (c *counting) endPoint(*family, metric.Labels, shape) { c.ended++ }
