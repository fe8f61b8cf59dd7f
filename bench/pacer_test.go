package bench

import (
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"loggregator_exporter/foundation"
)

// Set in the processes that send at a pace: how many series, and how many envelopes a second in all.
const (
	paceSeriesEnv = "BENCH_PACE_SERIES"
	paceRateEnv   = "BENCH_PACE_RATE"
)

const (
	// Loggregator sends what it has gathered in this time, at most batchSize envelopes.
	gathered = 100 * time.Millisecond
	// syslogBurst is how many messages an agent sends at a time. An agent has the envelopes of one VM, some
	// syslogOfAgent a second.
	syslogBurst   = 10
	syslogOfAgent = 100
	// warmRate is the least rate at which the first cycle is sent, by all senders together.
	warmRate = 10_000
)

// setPace makes the processes that are started from now on send at a pace.
func setPace(b *testing.B, series, rate int) {
	b.Helper()
	b.Setenv(paceSeriesEnv, strconv.Itoa(series))
	b.Setenv(paceRateEnv, strconv.Itoa(rate))
}

// seriesToSend is how many series a process that sends has.
func seriesToSend() int {
	if n, err := strconv.Atoi(os.Getenv(paceSeriesEnv)); err == nil {
		return n
	}
	return streamOf
}

// pacer spreads what one sender of a process sends over time.
type pacer struct {
	rate  float64 // envelopes a second; 0 for as many as can be
	warm  float64 // the rate of the first cycle
	first int     // how many envelopes that is
	burst int     // how many come at a time
	began time.Time
	sent  int
}

// newPacer makes the pacer of one of some senders that share the rate.
func newPacer(senders int) *pacer {
	rate, _ := strconv.ParseFloat(os.Getenv(paceRateEnv), 64) // 0 where it is not set
	p := &pacer{
		rate: rate / float64(senders), warm: max(rate, warmRate) / float64(senders), first: seriesToSend() / senders,
		burst: batchSize, began: time.Now(),
	}
	if rate > 0 {
		p.burst = max(1, min(batchSize, int(p.rate*gathered.Seconds())))
	}
	return p
}

// agents is how many syslog agents share the rate.
func (p *pacer) agents() int { return max(1, int(p.rate)/syslogOfAgent) }

// wait returns when the next envelopes are due.
func (p *pacer) wait(envelopes int) {
	if p.rate == 0 {
		return
	}
	first := min(p.sent, p.first)
	due := float64(first)/p.warm + float64(p.sent-first)/p.rate
	p.sent += envelopes
	time.Sleep(time.Until(p.began.Add(time.Duration(due * float64(time.Second)))))
}

// batches returns batches as long as a burst.
func (p *pacer) batches(of [][]byte) [][]byte { return split(of, p.burst) }

// split cuts batches of envelopes, in wire bytes, into those of at most so many.
func split(batches [][]byte, envelopes int) (parts [][]byte) {
	for _, batch := range batches {
		for len(batch) > 0 {
			length := 0
			for n := 0; n < envelopes && length < len(batch); n++ {
				_, _, field := protowire.ConsumeField(batch[length:])
				length += field
			}
			parts = append(parts, batch[:length])
			batch = batch[length:]
		}
	}
	return parts
}

const udpEnv = "BENCH_UDP" // set in the process that plays the components of a VM

// sendDatagrams plays the components of a VM in a process of its own, which send each envelope when it comes to be.
func sendDatagrams(string) error {
	w, err := foundation.NewWorkload(seriesToSend(), 1, time.Now())
	if err != nil {
		return err
	}
	datagrams, err := w.Datagrams()
	if err != nil {
		return err
	}
	conn, err := net.Dial("udp", os.Getenv(addressEnv))
	if err != nil {
		return err
	}
	afterParent(func() { os.Exit(0) })
	for p := newPacer(1); ; {
		for _, d := range datagrams {
			p.wait(1)
			_, _ = conn.Write(d) // refused until the exporter listens
		}
	}
}
