package foundation

import (
	_ "embed"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/cloudfoundry/sonde-go/events"
	"google.golang.org/protobuf/proto"
)

//go:embed apps.tsv
var appsTable string

const (
	mebibyte     = 1 << 20
	diskQuotaMiB = 1024
)

// App is an application, as the Cloud Controller knows it.
type App struct {
	Organization, OrganizationID string
	Space, SpaceID               string
	Name, ID, ProcessID          string
	Instances                    int
	QuotaMiB                     int // memory of one instance
	share                        float64
	running                      []*instance
}

// instance is one container of an app, on a cell.
type instance struct {
	app                  *App
	index                int
	guid                 string
	cpu, memory, disk    model
	logRate, entitlement model
	received, sent       model
	counted              [2]uint64 // bytes received and sent
	age                  float64
}

// buildApps returns the first count apps of the table; a count beyond it starts the table over with numbered names.
func buildApps(table string, count int, rng *rand.Rand) ([]*App, error) {
	var known []App
	for number, line := range lines(table) {
		app, err := parseApp(line)
		if err != nil {
			return nil, fmt.Errorf("apps.tsv:%d: %w", number, err)
		}
		known = append(known, app)
	}
	ids := make(map[string]string) // of organizations and spaces
	id := func(name string) string {
		if ids[name] == "" {
			ids[name] = newGUID(rng)
		}
		return ids[name]
	}
	apps := make([]*App, 0, count)
	for i := range count {
		app := known[i%len(known)]
		if lap := i / len(known); lap > 0 {
			app.Name += "-" + strconv.Itoa(lap+1)
		}
		app.OrganizationID = id(app.Organization)
		app.SpaceID = id(app.Organization + "/" + app.Space)
		app.ID = newGUID(rng)
		app.ProcessID = app.ID
		apps = append(apps, &app)
	}
	return apps, nil
}

func parseApp(line string) (App, error) {
	fields := strings.Split(line, "\t")
	if len(fields) != 6 {
		return App{}, fmt.Errorf("a line has 6 fields, not %d", len(fields))
	}
	var numbers [3]int
	for i, field := range fields[3:] {
		n, err := strconv.Atoi(field)
		if err != nil || n < 0 {
			return App{}, fmt.Errorf("%q is no number", field)
		}
		numbers[i] = n
	}
	return App{
		Organization: fields[0],
		Space:        fields[1],
		Name:         fields[2],
		Instances:    numbers[0],
		share:        float64(numbers[1]),
		QuotaMiB:     numbers[2],
	}, nil
}

// place puts the instances of all apps on cells in turn.
func place(apps []*App, cells []*machine, rng *rand.Rand) {
	at := 0
	for _, app := range apps {
		for index := range app.Instances {
			cell := cells[at%len(cells)]
			at++
			quota := float64(app.QuotaMiB) * mebibyte
			i := &instance{
				app:         app,
				index:       index,
				guid:        newGUID(rng),
				cpu:         &walk{low: 0.1, high: 90},
				memory:      &walk{low: 0.2 * quota, high: 0.9 * quota, whole: true},
				disk:        &walk{low: 50 * mebibyte, high: 0.6 * diskQuotaMiB * mebibyte, whole: true},
				logRate:     &walk{low: 0, high: 20000, whole: true},
				entitlement: &walk{low: 1, high: 120},
				received:    &growth{perSecond: 9000},
				sent:        &growth{perSecond: 30000},
			}
			app.running = append(app.running, i)
			cell.instances = append(cell.instances, i)
		}
	}
}

// tags are those that Cloud Foundry puts on everything that concerns one instance of an app.
func (i *instance) tags() map[string]string {
	return map[string]string{
		"app_id":              i.app.ID,
		"app_name":            i.app.Name,
		"space_id":            i.app.SpaceID,
		"space_name":          i.app.Space,
		"organization_id":     i.app.OrganizationID,
		"organization_name":   i.app.Organization,
		"process_id":          i.app.ProcessID,
		"process_type":        "web",
		"process_instance_id": i.guid,
		"instance_id":         strconv.Itoa(i.index),
		"source_id":           i.app.ID,
	}
}

// emit sends the container metrics of an instance: five by dropsonde, or what newer cells add to them.
func (i *instance) emit(out outlet, m *machine, now int64, seconds float64) error {
	cpu := i.cpu.next(seconds, m.rng)
	memory := i.memory.next(seconds, m.rng)
	disk := i.disk.next(seconds, m.rng)
	quota := float64(i.app.QuotaMiB) * mebibyte
	if m.Path == UDP {
		e := m.dropsonde("rep", now)
		e.EventType = events.Envelope_ContainerMetric.Enum()
		e.ContainerMetric = &events.ContainerMetric{
			ApplicationId:    new(i.app.ID),
			InstanceIndex:    new(int32(i.index)),
			CpuPercentage:    new(cpu),
			MemoryBytes:      new(uint64(memory)),
			DiskBytes:        new(uint64(disk)),
			MemoryBytesQuota: new(uint64(quota)),
			DiskBytesQuota:   proto.Uint64(diskQuotaMiB * mebibyte),
		}
		return out.legacy(m, e)
	}
	i.age += seconds
	entitlement := i.entitlement.next(seconds, m.rng)
	tags := m.tags("rep", i.tags())
	gauges := []map[string]*loggregator_v2.GaugeValue{
		{
			"cpu":            {Unit: "percentage", Value: cpu},
			"memory":         {Unit: "bytes", Value: memory},
			"disk":           {Unit: "bytes", Value: disk},
			"memory_quota":   {Unit: "bytes", Value: quota},
			"disk_quota":     {Unit: "bytes", Value: diskQuotaMiB * mebibyte},
			"log_rate":       {Unit: "B/s", Value: i.logRate.next(seconds, m.rng)},
			"log_rate_limit": {Unit: "B/s", Value: -1},
		},
		{
			"absolute_usage":       {Unit: "nanoseconds", Value: i.age * 1e9 * cpu / 100},
			"absolute_entitlement": {Unit: "nanoseconds", Value: i.age * 1e9 * 0.25},
			"container_age":        {Unit: "nanoseconds", Value: i.age * 1e9},
		},
		{"cpu_entitlement": {Unit: "percentage", Value: entitlement}},
	}
	for _, metrics := range gauges {
		e := &loggregator_v2.Envelope{Timestamp: now, SourceId: i.app.ID, InstanceId: strconv.Itoa(i.index), Tags: tags}
		e.Message = &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{Metrics: metrics}}
		out.native(m, e)
	}
	i.emitTraffic(out, m, now, seconds, tags)
	return nil
}

// emitTraffic sends the counters of a container's network interface.
func (i *instance) emitTraffic(out outlet, m *machine, now int64, seconds float64, tags map[string]string) {
	for at, counter := range []struct {
		name  string
		model model
	}{{"rx_bytes", i.received}, {"tx_bytes", i.sent}} {
		value := uint64(counter.model.next(seconds, m.rng))
		e := &loggregator_v2.Envelope{Timestamp: now, SourceId: i.app.ID, InstanceId: strconv.Itoa(i.index), Tags: tags}
		e.Message = &loggregator_v2.Envelope_Counter{
			Counter: &loggregator_v2.Counter{Name: counter.name, Delta: value - i.counted[at]},
		}
		i.counted[at] = value
		out.native(m, e)
	}
}
