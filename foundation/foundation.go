package foundation

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"
)

// Options say what to simulate. A zero value stands for the default.
type Options struct {
	// Seed of everything that is random but the certificates.
	Seed uint64
	// VMs is the number of VMs, 60 by default; those beyond 60 are further cells.
	VMs int
	// Apps is the number of applications, 40 by default; -1 is none.
	Apps int
	// UDPAddress is where the components of some VMs send their datagrams (host:port). Where it is empty, the envelopes
	// of those VMs go by the RLP as well.
	UDPAddress string
	// UDP says that there are such VMs although UDPAddress is not known yet: SendTo tells it before anything is emitted.
	UDP bool
	// Pace is called before every sixteenth datagram with how many have been sent, and may wait until a reader has
	// taken those: a kernel drops what the buffer of a socket has no room for. An error ends the round. The default is
	// a pause of a millisecond.
	Pace func(ctx context.Context, sent int) error
	// Forwarder is the forwarder agent that one VM sends by, or nil: that VM's envelopes then go by the RLP. Others run
	// it.
	Forwarder *Forwarder
	// OTLP is the forwarder agent that one VM sends by to a collector, or nil: that VM's envelopes then go by the RLP.
	// Others run it.
	OTLP *OTLPAgent
	// Syslog is the syslog agent that one VM sends by to a drain, or nil: that VM's envelopes then go by the RLP. Others
	// run it.
	Syslog *SyslogAgent
	// Agents say what the agents in front of the RLP do to what they forward.
	Agents AgentOptions
	// Interval is the time between two rounds, 15 s by default, as in real components.
	Interval time.Duration
	// RequestsPerSecond is how many HTTP requests pass the routers, each reported twice.
	RequestsPerSecond float64
	// Dopplers is how many there are, 2 by default. Each VM sends to one of them.
	Dopplers int
	// BatchInterval is how long the RLP gathers envelopes for a batch of less than 100, 100 ms by default as in the
	// real one; -1 is not at all.
	BatchInterval time.Duration
	// Network replaces the ports of 127.0.0.1 in tests with simulated time.
	Network *Memory
	// Now is the clock of timestamps, time.Now by default.
	Now func() time.Time
	// HTTPS says whether and how the RLP gateway, the traffic controller and UAA serve beside the RLP.
	HTTPS HTTPSOptions
}

// Foundation is an inventory of VMs and what they emit. Its methods may be called at any time from any goroutine.
type Foundation struct {
	options  Options
	apps     []*App
	machines []*machine
	traffic  *traffic
	rlp      *rlp
	*https
	*certificates
	ledger ledger
	bursts bursts // guarded by emitting

	emitting sync.Mutex // held while envelopes are made: models and the UDP socket are not for concurrent use
	next     int        // the VM that Run lets emit next
	rounded  chan struct{}
	round    sync.Once // closes rounded

	mu       sync.Mutex // guards what follows
	listener net.Listener
	udp      *datagrams
}

// New makes a foundation. It opens and starts nothing.
func New(options Options) (*Foundation, error) {
	options = options.withDefaults()
	f := &Foundation{options: options, rlp: newRLP(options), rounded: make(chan struct{})}
	if f.options.Interval < 0 || f.options.RequestsPerSecond < 0 {
		return nil, errors.New("foundation: the interval and the rate of requests cannot be negative")
	}
	f.https = newHTTPS(f.options.HTTPS, f.rlp, f.options.Now)
	if err := f.populate(); err != nil {
		return nil, fmt.Errorf("foundation: %w", err)
	}
	var err error
	if f.certificates, err = newCertificates(f.options.Now()); err != nil {
		return nil, fmt.Errorf("foundation: %w", err)
	}
	return f, nil
}

func (o Options) withDefaults() Options {
	if o.VMs == 0 {
		o.VMs = 60
	}
	if o.Apps == 0 {
		o.Apps = 40
	}
	o.Apps = max(o.Apps, 0)
	if o.Interval == 0 {
		o.Interval = 15 * time.Second
	}
	if o.Dopplers < 1 {
		o.Dopplers = 2
	}
	if o.BatchInterval == 0 {
		o.BatchInterval = 100 * time.Millisecond
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func (o Options) hasUDP() bool { return o.UDP || o.UDPAddress != "" }

// rng returns a random number generator for a name, so that the numbers of one name do not depend on those of others.
func (o Options) rng(name string) *rand.Rand {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(name))
	return rand.New(rand.NewPCG(o.Seed, hash.Sum64())) //nolint:gosec // it simulates, and must repeat itself
}

// populate builds the VMs, their components and the apps on them.
func (f *Foundation) populate() error {
	definitions, err := parseDefinitions(metricsTable)
	if err != nil {
		return err
	}
	o := &f.options
	vms, err := buildInventory(inventoryTable, o.VMs, o.Dopplers, o.hasUDP(), o.rng("inventory"))
	if err != nil {
		return err
	}
	var cells, routers []*machine
	dopplers := 0
	for _, vm := range vms {
		if vm.Path == Ingress && f.options.Forwarder == nil || vm.Path == OTLP && f.options.OTLP == nil ||
			vm.Path == Syslog && f.options.Syslog == nil {
			vm.Path = RLP
		}
		m, err := f.newMachine(vm, definitions)
		if err != nil {
			return err
		}
		m.doppler, m.hosts = len(f.machines)%f.options.Dopplers, -1
		if slices.Contains(vm.Components, dopplerID) {
			if dopplers < f.options.Dopplers {
				m.hosts = dopplers
			}
			dopplers++
		}
		f.machines = append(f.machines, m)
		switch vm.Job {
		case "diego-cell":
			cells = append(cells, m)
		case "router":
			routers = append(routers, m)
		}
	}
	rng := f.options.rng("apps")
	if f.apps, err = buildApps(appsTable, f.options.Apps, rng); err != nil {
		return err
	}
	place(f.apps, cells, rng)
	f.traffic = newTraffic(f.apps, routers, f.options.rng("traffic"))
	return nil
}

func (f *Foundation) newMachine(vm VM, definitions map[string]*componentDefinition) (*machine, error) {
	m := &machine{VM: vm, rng: f.options.rng(vm.Index), agent: newAgent(f.options.Agents)}
	var counts tallies
	switch {
	case vm.Job == "router":
		m.routed = newTallied()
		counts = m.routed.tallies()
	case vm.Job == "log-api" && vm.Ordinal == 0:
		// All streams belong to the first VM that runs the RLP.
		counts = f.rlp.tallies()
	case vm.Job == "log-api":
		counts = newRLP(f.options).tallies()
	}
	for _, id := range vm.Components {
		def := definitions[id]
		if def == nil {
			return nil, fmt.Errorf("inventory.tsv names the component %q, which metrics.tsv has not", id)
		}
		c, err := newComponent(def, &m.VM, counts)
		if err != nil {
			return nil, err
		}
		m.components = append(m.components, c)
	}
	return m, nil
}

// Inventory returns the VMs.
func (f *Foundation) Inventory() []VM {
	vms := make([]VM, len(f.machines))
	for i, m := range f.machines {
		vms[i] = m.VM
	}
	return vms
}

// Apps returns the applications.
func (f *Foundation) Apps() []App {
	apps := make([]App, len(f.apps))
	for i, app := range f.apps {
		apps[i] = *app
	}
	return apps
}

// Sent returns what was sent last for each metric of each sender, always in the same order.
func (f *Foundation) Sent() []Sent { return f.ledger.all() }

// Envelopes is how many envelopes were sent by a path so far.
func (f *Foundation) Envelopes(path Path) uint64 { return f.ledger.count(path) }
