package foundation

import (
	"math/rand/v2"

	"github.com/cloudfoundry/sonde-go/events"
)

// machine is a VM that runs: its components, the agent that forwards for them, and its own random number generator,
// so that what one VM emits does not depend on the others.
type machine struct {
	VM
	components []*component
	instances  []*instance // of apps, on cells
	routed     *tallied    // set on routers
	agent      agent
	doppler    int // that its agent sends to
	hosts      int // the doppler that runs on it; -1 for none
	rng        *rand.Rand
}

// emit sends one round of everything but HTTP requests; seconds is the time since the last one.
func (m *machine) emit(out outlet, now int64, seconds float64) error {
	for _, c := range m.components {
		if c.origin == dopplerID && m.hosts >= 0 && out.rlp.stopped(m.hosts) {
			continue
		}
		for _, group := range c.groups {
			if !c.legacy {
				out.native(m, c.envelope(group, m, now, seconds))
				continue
			}
			if err := out.legacy(m, c.dropsonde(group, m, now, seconds)); err != nil {
				return err
			}
		}
	}
	for _, i := range m.instances {
		if err := i.emit(out, m, now, seconds); err != nil {
			return err
		}
	}
	return nil
}

// dropsonde is an empty v1 envelope of the VM.
func (m *machine) dropsonde(origin string, now int64) *events.Envelope {
	return &events.Envelope{
		Origin:     new(origin),
		Timestamp:  new(now),
		Deployment: new(m.Deployment),
		Job:        new(m.Job),
		Index:      new(m.Index),
		Ip:         new(m.IP),
		Tags:       make(map[string]string),
	}
}
