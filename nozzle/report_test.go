package nozzle

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/watch"
)

// TestSenderClock takes timestamps that are ahead of their arrival, and behind.
func TestSenderClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c senderClock
		note := func(ahead time.Duration, origin string) {
			e := metric.Envelope{Timestamp: time.Now().Add(ahead).UnixNano()}
			e.AddTag([]byte("origin"), []byte(origin))
			e.AddTag([]byte("ip"), []byte("10.0.0.1"))
			c.note(&e, time.Now().UnixNano())
		}
		want := func(ahead time.Duration, sender string, known bool) {
			t.Helper()
			if a, s, k := c.read(time.Now().UnixNano()); a != ahead || s != sender || k != known {
				t.Errorf("%v %q %v, want %v %q %v", a, s, k, ahead, sender, known)
			}
		}
		want(0, "", false)
		note(-time.Hour, "a")
		want(-time.Hour, "", true)
		note(-time.Millisecond, "a")
		note(-time.Minute, "b")
		want(-time.Millisecond, "", true)
		note(30*time.Second, "rep\x00")
		note(time.Second, "c")
		want(30*time.Second, `origin "rep\x00", ip "10.0.0.1"`, true)
		c.note(&metric.Envelope{}, time.Now().UnixNano()) // without a timestamp
		time.Sleep(time.Minute)
		want(30*time.Second, `origin "rep\x00", ip "10.0.0.1"`, true)
		note(-time.Second, "d")
		want(30*time.Second, `origin "rep\x00", ip "10.0.0.1"`, true)
		time.Sleep(time.Minute)
		want(-time.Second, "", true)
		time.Sleep(2 * time.Minute)
		want(0, "", false)
	})
}

func TestReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger, err := NewLedger(prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		account := ledger.Source("rlp")
		began := time.Now()
		account.Connect()
		time.Sleep(time.Second)
		account.refuse("tls", "look here", errors.New("broken"))
		account.Failed(watch.Failure{Reason: "lost"})
		account.Reconnecting("lost")
		in := NewIntake(account, &nullSink{})
		in.V1([]byte{0xff}, time.Now())
		r := ledger.Reports()[0]
		if r.Name != "rlp" || !r.Up || r.Connections != 1 || !r.Opened.Equal(began) || !r.Heard.IsZero() || r.ClockKnown {
			t.Errorf("%+v", r)
		}
		if f := r.LastFailure; f == nil || f.Reason != "lost" || f.Text != "" || !f.At.Equal(began.Add(time.Second)) {
			t.Errorf("%+v", f)
		}
		if r.Refusals["tls"] != 1 || r.Reconnects["lost"] != 1 || r.Envelopes["malformed"] != 1 || r.Received != 1 ||
			len(r.Samples) != metric.NumOutcomes {
			t.Errorf("%+v", r)
		}
		account.Disconnect()
		if r := ledger.Reports()[0]; r.Up || r.Connections != 0 || !r.Opened.IsZero() {
			t.Errorf("%+v", r)
		}
		if l := ledger.Losses(); len(l) != 4 || l[0].Origin != "loggregator.doppler" || l[0].Direction != "egress" ||
			l[0].Count > 0 || len(l[0].VMs) > 0 {
			t.Errorf("%+v", l)
		}
	})
}
