package config

import (
	"math"
	"net"
	"slices"

	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/nozzle"
)

// reachable are the hosts to listen at that a client which dials 127.0.0.1 finds.
var reachable = []string{"", "127.0.0.1", "0.0.0.0", "::", "localhost"}

func (v *validator) ingress(o *nozzle.IngressOptions) {
	v.address("nozzle.ingress.listen_address", o.ListenAddress, 0)
	v.mutualTLS("nozzle.ingress", &o.TLS)
	if o.PortFile == "" {
		return
	}
	host, _, err := net.SplitHostPort(o.ListenAddress)
	v.check(err != nil || slices.Contains(reachable, host), "nozzle.ingress.listen_address",
		"the agent that reads nozzle.ingress.port_file dials 127.0.0.1, which does not reach %s", quote(o.ListenAddress))
}

func (v *validator) replay(o *nozzle.ReplayOptions) {
	const file = "nozzle.replay.file"
	if v.check(o.File != "", file, "is needed when nozzle.replay.enabled is true: %s", v.remedy(file)) && o.File != "-" {
		f, err := boundedfile.Open(o.File)
		if err == nil {
			err = f.Close()
		}
		v.check(err == nil, file, "cannot read the file: %v", err)
	}
	v.check(o.Speed >= 0 && !math.IsInf(o.Speed, 0), "nozzle.replay.speed",
		"%v is no speed: 1 is that of the recording, 10 is ten times as fast, 0 is as fast as possible", o.Speed)
}
