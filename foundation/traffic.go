package foundation

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/cloudfoundry/sonde-go/events"
)

// tallied counts what one router has served, so that its counters agree with the requests that it reports.
type tallied struct {
	classes     map[string]float64 // responses by class of status
	total       float64
	lastLatency float64 // milliseconds
}

func newTallied() *tallied { return &tallied{classes: make(map[string]float64)} }

// tallies returns the counts by the words that metrics.tsv uses for them.
func (t *tallied) tallies() tallies {
	counts := tallies{
		"traffic all":     func() float64 { return t.total },
		"traffic latency": func() float64 { return t.lastLatency },
	}
	for _, class := range []string{"2xx", "3xx", "4xx", "5xx", "xxx"} {
		counts["traffic "+class] = func() float64 { return t.classes[class] }
	}
	return counts
}

// traffic is the HTTP requests of users, which the routers report.
type traffic struct {
	apps    []*App // only those that get requests
	shares  float64
	routers []*machine
	rng     *rand.Rand
	owed    float64 // requests due, below one
}

func newTraffic(apps []*App, routers []*machine, rng *rand.Rand) *traffic {
	t := &traffic{routers: routers, rng: rng}
	for _, app := range apps {
		if app.share > 0 && app.Instances > 0 {
			t.apps = append(t.apps, app)
			t.shares += app.share
		}
	}
	return t
}

// serve emits the requests of the time that has passed until now.
func (t *traffic) serve(out outlet, now time.Time, perSecond float64, elapsed time.Duration) error {
	for t.owed += perSecond * elapsed.Seconds(); t.owed >= 1; t.owed-- {
		back := time.Duration(t.rng.Float64() * float64(elapsed))
		if err := t.request(out, now.Add(-back)); err != nil {
			return err
		}
	}
	return nil
}

// weighted is one of several choices and its relative frequency.
type weighted[T any] struct {
	weight int
	value  T
}

func pick[T any](rng *rand.Rand, choices []weighted[T]) T {
	total := 0
	for _, c := range choices {
		total += c.weight
	}
	at := rng.IntN(total)
	for _, c := range choices[:len(choices)-1] {
		if at -= c.weight; at < 0 {
			return c.value
		}
	}
	return choices[len(choices)-1].value
}

// request lets one request pass a router, which reports it twice: as the server of the user and as the client of the
// app.
func (t *traffic) request(out outlet, stop time.Time) error {
	m := t.routers[t.rng.IntN(len(t.routers))]
	status := pick(t.rng, []weighted[int32]{
		{
			840,
			200,
		},
		{60, 201},
		{20, 204},
		{25, 302},
		{10, 304},
		{8, 400},
		{7, 401},
		{15, 404},
		{5, 429},
		{4, 500},
		{4, 502},
		{2, 503},
	})
	latency := t.latency(status)
	m.routed.total++
	m.routed.classes[strconv.Itoa(int(status)/100)+"xx"]++
	m.routed.lastLatency = math.Round(latency.Seconds()*1e6) / 1e3

	e := t.envelope(m, stop, latency, status)
	e.HttpStartStop.PeerType = events.PeerType_Server.Enum()
	if err := out.legacy(m, e); err != nil {
		return err
	}
	e.HttpStartStop.PeerType = events.PeerType_Client.Enum()
	e.HttpStartStop.StartTimestamp = new(e.HttpStartStop.GetStartTimestamp() + int64(150*time.Microsecond))
	return out.legacy(m, e)
}

// latency is log-normal around 12 ms; one request in a hundred takes up to forty times as long, and errors of the
// gateway take seconds.
func (t *traffic) latency(status int32) time.Duration {
	ms := 12 * math.Exp(0.7*t.rng.NormFloat64())
	switch {
	case status == 502 || status == 503:
		ms += 900 * t.rng.Float64()
	case t.rng.IntN(100) == 0:
		ms *= 10 + 30*t.rng.Float64()
	}
	return time.Millisecond + time.Duration(ms*float64(time.Millisecond))
}

// envelope describes a request, its peer type aside. One in twenty goes to Cloud Foundry itself and so has no app.
func (t *traffic) envelope(m *machine, stop time.Time, latency time.Duration, status int32) *events.Envelope {
	e := m.dropsonde("gorouter", stop.UnixNano())
	e.EventType = events.Envelope_HttpStartStop.Enum()
	h := &events.HttpStartStop{
		StartTimestamp: new(stop.Add(-latency).UnixNano()),
		StopTimestamp:  new(stop.UnixNano()),
		RequestId:      &events.UUID{Low: new(t.rng.Uint64()), High: new(t.rng.Uint64())},
		Method: pick(t.rng, []weighted[events.Method]{
			{
				78,
				events.Method_GET,
			},
			{14, events.Method_POST},
			{4, events.Method_PUT},
			{2, events.Method_DELETE},
			{2, events.Method_HEAD},
		}).Enum(),
		RemoteAddress: new(fmt.Sprintf("10.0.4.%d:%d", 2+t.rng.IntN(20), 32768+t.rng.IntN(28000))),
		UserAgent: new(pick(t.rng, []weighted[string]{
			{
				6,
				"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
			},
			{3, "okhttp/4.12.0"},
			{1, "curl/8.9.1"},
		})),
		StatusCode:    new(status),
		ContentLength: new(int64(200 * math.Exp(1.5*math.Abs(t.rng.NormFloat64())))),
		Forwarded:     []string{fmt.Sprintf("203.0.113.%d", 1+t.rng.IntN(250))},
	}
	e.HttpStartStop = h
	if t.rng.IntN(20) == 0 || len(t.apps) == 0 {
		host := pick(t.rng, []weighted[string]{{3, "api"}, {2, "uaa"}, {1, "login"}})
		h.Uri = new("https://" + host + ".sys.example.com/v3/info")
		return e
	}
	app := t.app()
	i := app.running[t.rng.IntN(len(app.running))]
	h.Uri = new(
		"http://" + app.Name + ".apps.example.com/" + pick(
			t.rng,
			[]weighted[string]{{4, ""}, {3, "items"}, {2, "health"}, {1, "search?q=%22"}},
		),
	)
	h.ApplicationId = uuid(app.ID)
	h.InstanceIndex = new(int32(i.index))
	h.InstanceId = new(i.guid)
	e.Tags = i.tags()
	e.Tags["component"] = "route-emitter"
	return e
}

// app picks an app by its share of the requests.
func (t *traffic) app() *App {
	at := t.rng.Float64() * t.shares
	for _, app := range t.apps {
		if at -= app.share; at < 0 {
			return app
		}
	}
	return t.apps[len(t.apps)-1]
}

// uuid is a GUID as dropsonde writes it: two little-endian halves.
func uuid(guid string) *events.UUID {
	b, err := hex.DecodeString(strings.ReplaceAll(guid, "-", ""))
	if err != nil || len(b) != 16 {
		return nil
	}
	return &events.UUID{Low: new(binary.LittleEndian.Uint64(b[:8])), High: new(binary.LittleEndian.Uint64(b[8:]))}
}
