package foundation

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loggregator_exporter/internal/leaks"
	"loggregator_exporter/metric"
)

func TestMain(m *testing.M) { os.Exit(leaks.Check(m.Run())) }

var testTime = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func newFoundation(t *testing.T, options Options) *Foundation {
	t.Helper()
	if options.Now == nil {
		options.Now = func() time.Time { return testTime }
	}
	f, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// round returns what one round sends where everything goes by the RLP and nobody reads.
func round(t *testing.T, options Options) (*Foundation, []Sent) {
	t.Helper()
	f := newFoundation(t, options)
	if err := f.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f, f.Sent()
}

func names(sent []Sent) map[[2]string][]Sent {
	m := make(map[[2]string][]Sent)
	for _, s := range sent {
		key := [2]string{s.Origin, s.Name}
		m[key] = append(m[key], s)
	}
	return m
}

// The demo stands or falls with these: they are the names that the project is about.
func TestFirstRoundHoldsTheTwentyMemoryMetrics(t *testing.T) {
	_, sent := round(t, Options{})
	byName := names(sent)
	want := [][2]string{
		{"router__0", "memoryStats.numBytesAllocated"},
		{"gorouter", "router__1.memoryStats.numBytesAllocated"},
		{"gorouter", "router__2.memoryStats.numBytesAllocated"},
	}
	for component := range strings.FieldsSeq(`auctioneer cc_uploader converger file_server nsync_bulker nsync_listener
		route_emitter ssh-proxy stager tps_listener tps_watcher garden-linux rep DopplerServer syslog_drain_binder
		LoggregatorTrafficController dea_logging_agent etcd bbs`) {
		want = append(want, [2]string{component, component + ".memoryStats.numBytesAllocated"})
	}
	for _, key := range want {
		found := byName[key]
		if len(found) == 0 {
			t.Errorf("%s under origin %s was not sent", key[1], key[0])
			continue
		}
		for _, s := range found {
			if s.Kind != metric.KindGauge || s.Unit != "count" || s.Value < 6e6 || s.Value > 64e6 {
				t.Errorf("%s: %v %v %q", key, s.Kind, s.Value, s.Unit)
			}
		}
		leaf := strings.TrimSuffix(key[1], "memoryStats.numBytesAllocated")
		for _, other := range []string{
			"numCPUS", "numGoRoutines", "memoryStats.numBytesAllocatedHeap", "memoryStats.numBytesAllocatedStack",
			"memoryStats.numFrees", "memoryStats.numMallocs", "memoryStats.lastGCPauseTimeNS",
		} {
			if len(byName[[2]string{key[0], leaf + other}]) == 0 {
				t.Errorf("%s%s under origin %s was not sent", leaf, other, key[0])
			}
		}
	}
}

// Every kind of name that the tagger knows must come by in a demo.
func TestEveryPatternIsSent(t *testing.T) {
	_, sent := round(t, Options{RequestsPerSecond: 10})
	byName := names(sent)
	const cache = "p-cloudcache.service-instance_f0dcd3e4-4645-466e-ac14-89686cb2c905"
	for pattern, key := range map[string][2]string{
		"P00 no dimension":     {"cc", "total_users"},
		"P0 component prefix":  {"bbs", "bbs.LRPsRunning"},
		"P1 memoryStats":       {"netmon", "memoryStats.numBytesAllocated"},
		"P2 job__index":        {"gorouter", "router__1.total_requests"},
		"P2 job_zone/index":    {"router_z1/3", "router_z1/3.total_requests"},
		"P3 job/zone/index":    {"metrics-demo/z1/0", "metrics-demo/z1/0.uptime_in_seconds"},
		"P4 status":            {"gorouter", "responses.5xx"},
		"P5 target component":  {"gorouter", "latency.routing-api"},
		"P6 queue":             {"cc", "job_queue_length.cc-api-0"},
		"P7 log level":         {"cc", "cc.log_count.error"},
		"P8 listener":          {"DopplerServer", "tlsListener.receivedByteCount"},
		"P8 protocol":          {"MetronAgent", "grpc.sentMessageCount"},
		"P9 lock":              {"auctioneer", "auctioneer.LockHeld.v1-locks-auctioneer_lock"},
		"P9 domain":            {"bbs", "bbs.Domain.cf-apps"},
		"P10 subscription":     {"DopplerServer", "sentMessagesFirehose.splunk.nozzle-1"},
		"P10 route":            {"bbs", "RequestCount.StartActualLRP_r0"},
		"P11 port":             {"tcp-router", "1024.ConnectionTime"},
		"P12 graphite path":    {"", "CF.CloudController.1.172-30-5-75.mem_bytes"},
		"P13 brackets":         {"", "router.responses[component=DEA,status=2xx]"},
		"P14 transport":        {"", "opentsdb.nozzle.rep.CapacityTotalMemory"},
		"P15 dotted origin":    {"cf-syslog-drain.scheduler", "cf-syslog-drain.scheduler.drains"},
		"P15 service instance": {cache, "member.UsedMemory"},
		"P16 glued suffix":     {"rep", "VolmanMountDurationFornfsv3driver"},
		"P17 disk":             {"bosh-system-metrics-forwarder", "system.disk.ephemeral.percent"},
		"P17 region":           {cache, "region.EU.Orders.PutsRate"},
		"P18 underscores":      {"system_metrics_agent", "system_disk_ephemeral_percent"},
		"P19 slash path":       {"p.mysql", "/p.mysql/galera/wsrep_ready"},
		"P20 plan":             {"p.redis", "/on-demand-broker/p.redis/cache.large-v2/total_instances"},
		"P20 vhost and queue":  {"p-rabbitmq", "/p-rabbitmq/rabbitmq/queues/prod-vhost/stream-3/depth"},
		"P21 hyphenated":       {"grootfs", "grootfs-create.run.fail"},
		"P22 colon":            {"LoggregatorServer", "sentMessageCount:e35995c2-b7d9-4e0f-800a-bfc312446dd4"},
		"P22 container path":   {"LoggregatorDeaAgent", "LoggregatorDeaAgent.loggingStream:/var/vcap/data/warden/depot/17ab2c3d4e5 type stdout.sock.receivedMessageCount"},
		"app container":        {"rep", "memory_quota"},
		"HTTP request":         {"gorouter", "http"},
		"loss of the RLP":      {"loggregator.rlp", "dropped"},
		"loss of a doppler":    {"loggregator.doppler", "dropped"},
		"unlimited, minus one": {"rep", "log_rate_limit"},
		"statsd timer of CC":   {"cc", "diego_sync.duration"},
		"capacity of a cell":   {"rep", "CapacityRemainingMemory"},
		"UAA":                  {"uaa", "audit_service.user_authentication_count"},
		"redis":                {"p.redis", "info.memory.used_memory"},
	} {
		if len(byName[key]) == 0 {
			t.Errorf("%s: %q under origin %q was not sent", pattern, key[1], key[0])
		}
	}
}

func TestInventory(t *testing.T) {
	vms := newFoundation(t, Options{UDPAddress: "127.0.0.1:3457"}).Inventory()
	if len(vms) != 60 {
		t.Errorf("%d VMs", len(vms))
	}
	ids, ips, jobs := make(map[string]bool), make(map[string]bool), make(map[string]int)
	paths := make(map[Path]int)
	for _, vm := range vms {
		ids[vm.Index], ips[vm.IP] = true, true
		jobs[vm.Deployment+"/"+vm.Job]++
		paths[vm.Path]++
	}
	if len(ids) != 60 || len(ips) != 60 {
		t.Errorf("%d ids and %d addresses for 60 VMs", len(ids), len(ips))
	}
	for job, want := range map[string]int{"cf/router": 5, "cf/diego-cell": 7, "cf/uaa": 2, "p.mysql/mysql": 3, "p-rabbitmq/rabbitmq-server": 3} {
		if jobs[job] != want {
			t.Errorf("%d VMs of %s, want %d", jobs[job], job, want)
		}
	}
	if paths[UDP] == 0 || paths[RLP] == 0 {
		t.Errorf("VMs by path: %v", paths)
	}
	if more := newFoundation(t, Options{VMs: 100}).Inventory(); len(more) != 100 || more[99].Path != RLP {
		t.Errorf("%d VMs instead of 100", len(more))
	}
}

func TestEqualSeedsSendTheSame(t *testing.T) {
	options := Options{Seed: 7, RequestsPerSecond: 5}
	first, _ := round(t, options)
	second, _ := round(t, options)
	for range 3 {
		if err := first.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := second.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sent, same := first.Sent(), second.Sent()
	if len(sent) != len(same) {
		t.Fatalf("%d and %d metrics", len(sent), len(same))
	}
	for i := range sent {
		if !cmp.Equal(sent[i], same[i]) {
			t.Errorf("%+v\n%+v", sent[i], same[i])
		}
	}
	options.Seed = 8
	_, other := round(t, options)
	if cmp.Equal(first.Inventory(), newFoundation(t, options).Inventory()) || cmp.Equal(sent[0], other[0]) {
		t.Error("another seed made the same foundation")
	}
}

// Two metrics of one sender under the same name and tags would overwrite each other, here and in every reader.
func TestNoMetricIsSentTwiceInARound(t *testing.T) {
	f, sent := round(t, Options{Apps: -1})
	readings := 0
	for _, m := range f.machines {
		for _, c := range m.components {
			for _, group := range c.groups {
				readings += len(group)
			}
		}
	}
	if len(sent) != readings || len(f.Apps()) != 0 {
		t.Errorf("%d metrics make %d series", readings, len(sent))
	}
}

func TestAppsHaveTheTagsOfCloudFoundry(t *testing.T) {
	f, sent := round(t, Options{})
	apps := f.Apps()
	if len(apps) != 40 {
		t.Fatalf("%d apps", len(apps))
	}
	app := apps[0]
	instances := make(map[string]map[string]string)
	for _, s := range sent {
		if s.SourceID == app.ID && s.Name == "cpu" {
			instances[s.InstanceID] = s.Tags
		}
	}
	if len(instances) != app.Instances {
		t.Fatalf("%d of %d instances of %s", len(instances), app.Instances, app.Name)
	}
	tags := instances["0"]
	for key, want := range map[string]string{
		"origin": "rep", "job": "diego-cell", "deployment": "cf", "app_id": app.ID, "app_name": "storefront",
		"space_id": app.SpaceID, "space_name": "production", "organization_id": app.OrganizationID,
		"organization_name": "retail", "process_id": app.ProcessID, "process_type": "web", "instance_id": "0", "source_id": app.ID,
	} {
		if tags[key] != want {
			t.Errorf("tag %s is %q, want %q", key, tags[key], want)
		}
	}
	if many := newFoundation(t, Options{Apps: 100}).Apps(); many[80].Name != "storefront-3" || many[80].ID == many[0].ID {
		t.Errorf("app 80 is %+v", many[80])
	}
}

// A router's counters must agree with the requests that it reports, each of them twice.
func TestRoutersCountWhatTheyReport(t *testing.T) {
	f, _ := round(t, Options{RequestsPerSecond: 40})
	if err := f.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	var timers, total, classes uint64
	peers := make(map[string]uint64)
	codes := make(map[string]bool)
	for _, s := range f.Sent() {
		switch {
		case s.Kind == metric.KindTimer:
			timers += s.Count
			peers[s.Tags["peer_type"]] += s.Count
			codes[s.Tags["status_code"]] = true
			if s.Seconds <= 0 || s.Name != "http" || s.Origin != "gorouter" {
				t.Fatalf("timer %+v", s)
			}
		case strings.HasSuffix(s.Name, "total_requests"):
			total += s.Total
		case strings.Contains(s.Name, "responses.") && strings.HasSuffix(s.Name, "xx") && s.Tags["job"] == "router" && !strings.Contains(s.Name, "route_services"):
			if !strings.HasPrefix(s.Origin, "router_z") { // it reports one class only
				classes += s.Total
			}
		}
	}
	if timers != 2*1200 || peers["Client"] != 1200 || peers["Server"] != 1200 || total != 1200 {
		t.Errorf("1200 requests: %d timers, %v, %d counted", timers, peers, total)
	}
	if classes == 0 || classes >= total {
		t.Errorf("%d responses of four routers, %d requests of five", classes, total)
	}
	for _, code := range []string{"200", "404", "500"} {
		if !codes[code] {
			t.Errorf("no response %s among 1200", code)
		}
	}
}

func TestAgentAddsUpCounters(t *testing.T) {
	f, _ := round(t, Options{})
	if err := f.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	counters := 0
	for _, s := range f.Sent() {
		if s.Kind != metric.KindCounter {
			continue
		}
		counters++
		if s.Delta > s.Total {
			t.Errorf("%s of %s: delta %d, total %d", s.Name, s.Origin, s.Delta, s.Total)
		}
		if s.Name == "listeners.totalReceivedByteCount" && (s.Total <= s.Delta || s.Total > 2*15*20000*12/10) {
			t.Errorf("%s after two rounds: delta %d, total %d", s.Name, s.Delta, s.Total)
		}
	}
	if counters == 0 {
		t.Error("no counters")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for want, options := range map[string]Options{
		"at least 56 VMs, not 12": {VMs: 12},
		"cannot be negative":      {Interval: -time.Second},
		"requests cannot be":      {RequestsPerSecond: -1},
	} {
		if _, err := New(options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", options, err, want)
		}
	}
}

func TestTablesAreChecked(t *testing.T) {
	rng := Options{}.rng("test")
	definitions := func(table string) error { _, err := parseDefinitions(table); return err }
	inventory := func(table string) error { _, err := buildInventory(table, 60, 2, true, rng); return err }
	apps := func(table string) error { _, err := buildApps(table, 1, rng); return err }
	valueModel := func(text string) error { _, err := parseModel(text, nil, make(timings)); return err }
	for _, tt := range []struct {
		parse       func(string) error
		table, want string
	}{
		{definitions, "a\tgauge\t\tuptime", "metrics.tsv:1: a metric before the first component"},
		{definitions, "# c\n@\ta", "metrics.tsv:2: a component has 4 or 5 fields, not 2"},
		{definitions, "@\ta\ta\tudp", `metrics.tsv:1: component "a" has the unknown protocol "udp"`},
		{definitions, "@\ta\ta\tv2\n@\ta\ta\tv2", `metrics.tsv:2: component "a" stands twice`},
		{definitions, "@\ta\ta\tv2\tb", `metrics.tsv:1: component "a" uses the template "b", which does not stand before it`},
		{definitions, "@\ta\ta\tv2\nm\tgauge", "metrics.tsv:2: a metric has 4 or 5 fields, not 2"},
		{definitions, "@\ta\ta\tv2\nm\tlog\t\tuptime", `metrics.tsv:2: metric "m" has the unknown kind "log"`},
		{definitions, "@\ta\ta\tv2\nm\tgauge\t\tuptime\tx", `metrics.tsv:2: metric "m" has a tag without =: "x"`},
		{inventory, "cf\trouter", "inventory.tsv:1: a line has 5 fields, not 2"},
		{inventory, "cf\trouter\ttcp\t1\tx", `inventory.tsv:1: unknown path "tcp"`},
		{inventory, "cf\trouter\tudp\t-1\tx", `inventory.tsv:1: "-1" is no count`},
		{inventory, "cf\trouter\tudp\t60\tx", "a foundation has at least 61 VMs, not 60"},
		{apps, "a\tb", "apps.tsv:1: a line has 6 fields, not 2"},
		{apps, "a\tb\tc\t1\tx\t1", `apps.tsv:1: "x" is no number`},
		{valueModel, "sine 1", `unknown value model "sine 1"`},
		{valueModel, "walk 1", `value model "walk 1": 2 numbers needed`},
		{valueModel, "const x", `value model "const x": strconv.ParseFloat: parsing "x": invalid syntax`},
		{valueModel, "traffic 2xx", `nothing counts "traffic 2xx"`},
	} {
		if err := tt.parse(tt.table); err == nil || err.Error() != tt.want {
			t.Errorf("%q: %v, want %s", tt.table, err, tt.want)
		}
	}
}

func TestV2ComponentsHaveNoUDP(t *testing.T) {
	def := &componentDefinition{id: "uaa", protocol: protocolV2}
	_, err := newComponent(def, &VM{Job: "uaa", Path: UDP}, nil)
	if want := "component uaa on uaa/0 emits by v2, which has no UDP"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestValueModels(t *testing.T) {
	rng := Options{}.rng("test")
	for _, tt := range []struct {
		text      string
		low, high float64 // of all values
		rises     bool
	}{
		{"const 4", 4, 4, true},
		{"uptime", 15, 1500, true},
		{"rate 10", 120, 100 * 15 * 12, true},
		{"rate 0", 0, 0, true},
		{"walk -1 1", -1, 1, false},
		{"int 0 60", 0, 60, false},
	} {
		m, err := parseModel(tt.text, nil, make(timings))
		if err != nil {
			t.Fatal(err)
		}
		var values []float64
		for range 100 {
			values = append(values, m.next(15, rng))
		}
		if low, high := slices.Min(values), slices.Max(values); low < tt.low || high > tt.high {
			t.Errorf("%s goes from %v to %v", tt.text, low, high)
		}
		if slices.IsSorted(values) != tt.rises {
			t.Errorf("%s: %v", tt.text, fmt.Sprint(values))
		}
	}
}
