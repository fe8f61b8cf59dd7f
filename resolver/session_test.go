package resolver_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
)

// sessionRules look at everything that a session may forget: source ids, tags, kinds, and labels of the sender.
const sessionRules = `
rules:
  - pattern: "queue.{queue}.{name...}"
    name: "{name}"
    when: {source_id: "broker*"}
  - pattern: "shard.{name...}"
    name: "{name}"
    tags: {az: "{$tag.az}", from: "{$source_id}"}
  - pattern: "renamed.{name...}"
    name: "{name}"
    labels: {rename: {az: zone_name}}
  - pattern: "fewer.{name...}"
    name: "{name}"
    labels: {drop: [origin]}
  - pattern: "gone.{_...}"
    when: {tags: {az: z1}}
    drop: true
`

var (
	sessionNames = []string{
		"memoryStats.numBytesAllocated", "rep.memoryStats.numBytesAllocated", "router__0.latency", "requests.total", "http",
		"queue.a.depth", "shard.size", "renamed.size", "fewer.size", "gone.size", "a.10.0.0.1.b", "\xff\x1b", "cpu",
		"gorouter.router-1.z2.requests", "x_ms", `say "hi"`, "responses.5xx", "uaa.zone.deployment",
	}
	sessionTags = []string{
		"origin", "component", "index", "zone", "app_id", "app-id", "unit", "status_group", "status_code", "le", "job",
		"deployment", "az", "source_id", "environment", "type", "__hidden", "a b", "env", "instance", "bosh_job_name",
	}
	sessionValues = []string{
		"router__0", "gorouter", "rep", "z1", "1", app, "", `a "quoted" \ value` + "\n", "\xff", "metrics-demo/z1/0", "count",
	}
	sessionSources = []string{"", "router", "broker-1", app, "rep", "doppler"}
	sessionKinds   = []metric.Kind{metric.KindGauge, metric.KindCounter, metric.KindTimer, metric.KindHistogram}
)

// anIdentity makes one of the values above. Most come often.
func anIdentity(rng *rand.Rand) store.Identity {
	pick := func(of []string) string { return of[rng.IntN(len(of))] }
	id := store.Identity{
		Kind: sessionKinds[rng.IntN(len(sessionKinds))], Name: pick(sessionNames), SourceID: pick(sessionSources),
		InstanceID: pick(sessionValues), Unit: []string{"", "ms", "count"}[rng.IntN(3)],
	}
	for _, name := range sessionTags {
		if value := pick(sessionValues); rng.IntN(4) == 0 && value != "" {
			id.Tags = append(id.Tags, metric.Label{Name: name, Value: value})
		}
	}
	slices.SortFunc(id.Tags, func(a, b metric.Label) int { return strings.Compare(a.Name, b.Name) })
	id.ResponseSize = id.Kind == metric.KindTimer && id.Name == "http" && rng.IntN(2) == 0
	id.Sender = fmt.Sprint(id.SourceID, id.InstanceID, id.Tags)
	return id
}

// A session makes of each identity what the resolver makes of it, whatever came before.
func TestSession(t *testing.T) {
	options := newResolver(t, sessionRules).Options()
	for name, labels := range map[string]resolver.LabelOptions{
		"plain":    {},
		"added":    {Add: []metric.Label{{Name: "env", Value: "prod"}, {Name: "component", Value: "cf"}}},
		"dropped":  {Drop: []string{"origin", "component", "index", "zone", "queue"}},
		"renamed":  {Rename: []resolver.Rename{{From: "origin", To: "from"}, {From: "component", To: "job"}}},
		"verbatim": {},
	} {
		t.Run(name, func(t *testing.T) {
			o := options
			o.Labels, o.Naming.Verbatim, o.Environment = labels, name == "verbatim", strings.Repeat("test", len(name)%2)
			r, rng := resolver.New(o), rand.New(rand.NewPCG(1, 2))
			session, merged := r.Session(), 0
			for range 1_000 {
				sender := anIdentity(rng)
				for range 8 { // names of one sender
					id := anIdentity(rng)
					id.SourceID, id.InstanceID, id.Tags, id.Sender = sender.SourceID, sender.InstanceID, sender.Tags, sender.Sender
					got, want := session.Resolve(&id), r.Resolve(&id)
					if got.Text != nil {
						merged++
						got.Labels, got.Text, want.Labels = nil, nil, nil
						text := string(session.Resolve(&id).Text)
						if want := string(metric.RenderLabels(r.Resolve(&id).Labels)); text != want {
							t.Fatalf("%+v\n got %s\nwant %s", id, text, want)
						}
					}
					if !reflect.DeepEqual(got, want) {
						t.Fatalf("%+v\n got %+v\nwant %+v", id, got, want)
					}
				}
			}
			if few := name == "renamed"; few != (merged == 0) || !few && merged < 300 {
				t.Errorf("%d label sets were merged", merged)
			}
		})
	}
}

// What a session keeps is bounded, and it goes on beyond.
func TestSessionForgets(t *testing.T) {
	r := newResolver(t)
	session := r.Session()
	for i := range 1<<16 + 10 {
		id := store.Identity{Kind: metric.KindGauge, Name: fmt.Sprintf("name%c%d", 'a'+i%26, i), Sender: "x"}
		if got, want := session.Resolve(&id).Metric, r.Resolve(&id).Metric; got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
}
