package console

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloudfoundry/sonde-go/events"
)

// Names that samples are left out of, and that try to be more than text.
const (
	hostileLate     = `late<script>document.title="owned"</script>`
	hostileFiltered = `debug."><img src=x onerror=document.title="owned">`
	hostileDropped  = `gone.'><svg/onload=document.title="owned">`
	hostileGarbage  = `</pre><img src=x onerror=document.title="owned">`
)

// request is one of the two timers of a request that a gorouter sends.
func request(peer events.PeerType) *events.Envelope {
	now := time.Now().UnixNano()
	return &events.Envelope{
		Origin: new("gorouter"), EventType: events.Envelope_HttpStartStop.Enum(), Timestamp: &now,
		HttpStartStop: &events.HttpStartStop{
			StartTimestamp: &now, StopTimestamp: new(now + 1e6), RequestId: &events.UUID{Low: new(uint64(1)), High: new(uint64(2))},
			PeerType: &peer, Method: events.Method_GET.Enum(), Uri: new("/"), RemoteAddress: new("10.0.0.1"), UserAgent: new("curl"),
			StatusCode: new(int32(200)), ContentLength: new(int64(5)),
		},
	}
}

// sendBranches sends something for every branch of the flow.
func sendBranches(t *testing.T, r *running) {
	t.Helper()
	now := time.Now()
	for i := range 3 {
		late := value("shop", hostileLate, nil)
		late.Timestamp = new(now.Add(-time.Duration(i) * 5 * time.Second).UnixNano())
		r.send(t, late)
	}
	r.send(t, request(events.PeerType_Client), request(events.PeerType_Client))
	r.send(t, value("shop", hostileFiltered, nil), value("shop", hostileFiltered, nil))
	r.send(t, &events.Envelope{
		Origin: new("rep"), EventType: events.Envelope_ContainerMetric.Enum(), Timestamp: new(time.Now().UnixNano()),
		ContainerMetric: &events.ContainerMetric{
			ApplicationId: new("0e98fd00-47b2-4589-94f0-385f78b3a04d"), InstanceIndex: new(int32(0)), CpuPercentage: new(1.0),
			MemoryBytes: new(uint64(1)), DiskBytes: new(uint64(1)), MemoryBytesQuota: new(uint64(1)), DiskBytesQuota: new(uint64(1)),
		},
	})
	for range 3 {
		r.send(t, value("shop", hostileDropped, nil))
	}
	r.send(t, value("shop", "a-b", nil), value("shop", "a.b", nil), value("shop", "", nil))
	for i := range 8 {
		r.send(t, value("rep", "memoryStats.numFrees", map[string]string{"index": fmt.Sprint(i)}))
	}
	for range 3 {
		r.send(t, &events.Envelope{
			Origin: new("cell"), EventType: events.Envelope_LogMessage.Enum(), Timestamp: new(time.Now().UnixNano()),
			LogMessage: &events.LogMessage{
				Message: []byte("hello"), MessageType: events.LogMessage_OUT.Enum(), Timestamp: new(time.Now().UnixNano()),
			},
		})
	}
	if _, err := r.component.Write([]byte(hostileGarbage)); err != nil {
		t.Fatal(err)
	}
	lost := counter("DopplerServer", "MessageBuffer.droppedMessageCount", 50, 50)
	lost.Deployment, lost.Job, lost.Index, lost.Ip = new("cf"), new("doppler"), new("vm-7"), new("10.0.16.9")
	r.send(t, lost)
}

// flowList is the ledger as a list: stage, branch, number and link, a line each.
const flowList = `[...document.querySelectorAll(".flow-list tbody")].slice(1).flatMap((body) => [...body.rows].slice(1).map((row) =>
	[body.rows[0].cells[0].textContent, row.cells[0].textContent, row.cells[1].textContent,
	row.querySelector("a")?.getAttribute("href") ?? ""].join("|"))).join("\n")`

// listedSamples adds up the samples of all rows of the list of names.
const listedSamples = `[...document.querySelectorAll("#found td[data-of=Samples]")].reduce((sum, cell) => sum + parseInt(cell.firstChild.textContent), 0)`

// TestBranches follows the link of each branch of the flow: the list behind it has the names, and its numbers add up to
// that of the branch. Names that try to be more than text are not.
func TestBranches(t *testing.T) {
	t.Parallel()
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte("version: 1\nrules: [{id: gone, pattern: \"gone.{x...}\", drop: true}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := startExporter(t, fmt.Sprintf(`
nozzle: {udp: {enabled: true, listen_address: "127.0.0.1:0"}, filters: [{drop: {name: ["debug.*", disk_quota]}}]}
tagger: {rules_files: [%s]}
metrics: {max_series_per_metric: 5}
web: {listen_address: "127.0.0.1:0"}
`, rules))
	sendBranches(t, r)
	b := open(t, r.web, "/?ledger=total")
	by := func(reason string) string { return "names?reason=" + reason + "&sort=samples&order=desc" }
	b.await(t, flowList+` === `+quote(strings.Join([]string{
		"Envelopes|converted|21|", "Envelopes|filtered|2|" + by("filtered"), "Envelopes|ignored|3|#ignored",
		"Envelopes|malformed|1|#malformed",
		"Their samples|stored|12|cardinality", "Their samples|filtered|1|" + by("filtered"),
		"Their samples|dropped|3|" + by("dropped_by_rule"), "Their samples|duplicate|2|" + by("duplicate"),
		"Their samples|outdated|2|" + by("outdated"), "Their samples|conflict|1|" + by("conflict"),
		"Their samples|over limit|3|" + by("over_limit"), "Their samples|invalid|1|" + by("invalid"),
		"Lost by Loggregator before they came|DopplerServer ingress|50|#loss-1",
	}, "\n")))
	b.awaitText(t, "#ignored", "log message")
	b.awaitText(t, "#ignored", `origin "cell"`)
	b.awaitText(t, "#malformed", "cannot parse invalid wire-format data")
	b.awaitText(t, "#malformed", `</pre><img src=x onerror=`)
	b.awaitText(t, "#losses", "cf / doppler vm-7 10.0.16.9")
	assertText(t, b, "/")

	for _, tc := range []struct {
		reason, name, summary, why string
		samples                    int
	}{
		{
			"filtered", hostileFiltered, "3 samples since the start: 2 samples in 2 envelopes of which nothing was kept, and 1 sample of others.",
			"left out by nozzle.filters[0]", 3,
		},
		{"dropped_by_rule", hostileDropped, "3 samples since the start", "dropped by a rule", 3},
		{"duplicate", "http", "2 samples since the start", "the gorouter sends each request twice", 2},
		{"outdated", hostileLate, "2 samples since the start", "older than the value that the series had: the last by 10", 2},
		{"conflict", "a.b", "1 sample since the start", "its series belongs to raw name", 1},
		{"over_limit", "memoryStats.numFrees", "3 samples since the start", "metrics.max_series_per_metric is reached", 3},
		{"invalid", "", "1 sample since the start. Of them 1 is at none of the names", "", 0},
	} {
		b.show(t, "/"+by(tc.reason))
		b.awaitText(t, "#not-stored", tc.summary)
		b.await(t, fmt.Sprintf("%s === %d", listedSamples, tc.samples))
		assertText(t, b, tc.reason)
		if tc.name == "" {
			continue
		}
		b.awaitText(t, "#found tbody", tc.name)
		b.awaitText(t, "#found", tc.why) // above the table, where all names have it in common
		link := eval[string](t, b, fmt.Sprintf(`[...document.querySelectorAll("#found tbody th a")].find((a) => a.textContent === %s).getAttribute("href")`,
			quote(tc.name)))
		b.show(t, "/"+link)
		b.awaitText(t, fmt.Sprintf("[data-reason=%s]", tc.reason), tc.why)
		assertText(t, b, "Explain of "+tc.reason)
	}
}

// assertText says that no name is more than text on the page.
func assertText(t *testing.T, b *tab, page string) {
	t.Helper()
	if n := eval[int](t, b, `document.querySelectorAll("main img, main script, main svg[onload]").length + Number(document.title === "owned")`); n > 0 {
		t.Errorf("%s: a name is more than text", page)
	}
}
