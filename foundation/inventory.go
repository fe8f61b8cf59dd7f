package foundation

import (
	_ "embed"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

//go:embed inventory.tsv
var inventoryTable string

// Path is the protocol by which the metrics of a VM leave it.
type Path string

// The paths of a VM.
const (
	// UDP: components send dropsonde datagrams to Options.UDPAddress.
	UDP Path = "udp"
	// RLP: an agent takes what components emit; it is read from the reverse log proxy.
	RLP Path = "rlp"
	// Ingress: a forwarder agent takes what components emit to a downstream on the same VM.
	Ingress Path = "ingress"
	// OTLP: a forwarder agent takes what components emit to a collector of OpenTelemetry, or to what is in its place.
	OTLP Path = "otlp"
	// Syslog: a syslog agent takes what components emit to an aggregate drain.
	Syslog Path = "syslog"
)

// VM is one machine of the foundation, as BOSH names it.
type VM struct {
	Deployment string
	Job        string
	Ordinal    int    // counts the VMs of a job within a deployment from 0
	Index      string // BOSH's id of the instance, a GUID
	IP         string
	Zone       string // z1, z2 or z3
	Path       Path
	Components []string // ids of what runs there, as metrics.tsv lists them
}

// vmGroup is one line of inventory.tsv.
type vmGroup struct {
	deployment, job string
	path            Path
	count           int // -1: what is left over
	components      []string
}

// dopplerID is the component that runs in each doppler.
const dopplerID = "loggregator.doppler"

// buildInventory returns the VMs that inventory.tsv describes, total of them, at least one for each of some dopplers.
// Without udp all VMs take the path RLP.
func buildInventory(table string, total, dopplers int, udp bool, rng *rand.Rand) ([]VM, error) {
	groups, err := parseInventory(table)
	if err != nil {
		return nil, err
	}
	for i, g := range groups {
		if slices.Contains(g.components, dopplerID) {
			groups[i].count = max(g.count, dopplers)
		}
	}
	fixed := 0
	for _, g := range groups {
		fixed += max(g.count, 0)
	}
	if total <= fixed {
		return nil, fmt.Errorf("a foundation has at least %d VMs, not %d", fixed+1, total)
	}
	vms := make([]VM, 0, total)
	ordinals := make(map[string]int)
	for _, g := range groups {
		count := g.count
		if count < 0 {
			count = total - fixed
		}
		if !udp && g.path == UDP {
			g.path = RLP
		}
		for range count {
			ordinal := ordinals[g.deployment+"/"+g.job]
			ordinals[g.deployment+"/"+g.job]++
			vms = append(vms, VM{
				Deployment: g.deployment,
				Job:        g.job,
				Ordinal:    ordinal,
				Index:      newGUID(rng),
				IP:         fmt.Sprintf("10.0.%d.%d", 16+len(vms)/240, 10+len(vms)%240),
				Zone:       "z" + strconv.Itoa(1+ordinal%3),
				Path:       g.path,
				Components: g.components,
			})
		}
	}
	return vms, nil
}

func parseInventory(table string) ([]vmGroup, error) {
	var groups []vmGroup
	for number, line := range lines(table) {
		fields := strings.Split(line, "\t")
		if len(fields) != 5 {
			return nil, fmt.Errorf("inventory.tsv:%d: a line has 5 fields, not %d", number, len(fields))
		}
		g := vmGroup{
			deployment: fields[0],
			job:        fields[1],
			path:       Path(fields[2]),
			count:      -1,
			components: strings.Fields(fields[4]),
		}
		if g.path != UDP && g.path != RLP && g.path != Ingress && g.path != OTLP && g.path != Syslog {
			return nil, fmt.Errorf("inventory.tsv:%d: unknown path %q", number, fields[2])
		}
		if fields[3] != "*" {
			count, err := strconv.Atoi(fields[3])
			if err != nil || count < 0 {
				return nil, fmt.Errorf("inventory.tsv:%d: %q is no count", number, fields[3])
			}
			g.count = count
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// newGUID returns a random GUID of version 4.
func newGUID(rng *rand.Rand) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], rng.Uint64())
	binary.BigEndian.PutUint64(b[8:], rng.Uint64())
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
