package main

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"loggregator_exporter/config"
	"loggregator_exporter/tagger"
	"loggregator_exporter/web/api"
)

// config returns the settings in force: those that a reload changes as they were loaded last, the others as the process
// was started with.
func (r *reloader) config() api.Config {
	c := api.Config{File: absolute(r.running.File), Settings: []api.Setting{}, Flags: []string{}}
	inForce := settingsInForce(r.running, r.inForce.Load().config)
	for i := range inForce {
		s := &inForce[i]
		c.Settings = append(c.Settings, api.Setting{
			Key: s.Key, Value: s.Value, Default: s.Fallback, From: s.From, Place: s.Place, Reloads: s.Reloads(),
			Overridden: overridden(s.Overridden), Kind: s.Kind.String(), Help: s.Help,
			Secret: s.Kind == config.KindSecret || s.Kind == config.KindSecretVals,
		})
		if s.From == "flag" {
			c.Flags = append(c.Flags, s.Place+"="+s.Value)
		}
	}
	c.CommandLine = commandLine(os.Args, c.Settings)
	if r.load != nil {
		c.Pending = r.pending(inForce)
	}
	return c
}

// commandLine returns how the program was started; values that may hold secrets are those of the settings in force.
func commandLine(args []string, settings []api.Setting) []string {
	flags := make(map[string]*api.Setting, len(settings))
	for i := range settings {
		flags["--"+settings[i].Key] = &settings[i]
	}
	out := make([]string, len(args))
	var of *api.Setting // whose value is the next argument
	for i, arg := range args {
		flag, value, hasValue := strings.Cut(arg, "=")
		s := flags[flag]
		switch {
		case i == 0:
			arg = filepath.Base(arg)
		case of != nil:
			arg, s = withoutSecrets(of, arg), nil
		case s != nil && hasValue:
			arg = flag + "=" + withoutSecrets(s, value)
		}
		if hasValue || s != nil && s.Kind == config.KindBool.String() {
			s = nil
		}
		out[i], of = arg, s
	}
	return out
}

// withoutSecrets returns the value of a flag, or what is shown of it: addresses may hold users and passwords.
func withoutSecrets(s *api.Setting, value string) string {
	if s.Secret || strings.Contains(value, "://") {
		return s.Value
	}
	return value
}

// absolute returns the path of a file with its directory, and "" for none.
func absolute(file string) string {
	if path, err := filepath.Abs(file); err == nil && file != "" {
		return path
	}
	return file
}

func overridden(values []config.Overridden) []api.Overridden {
	var all []api.Overridden
	for _, v := range values {
		all = append(all, api.Overridden(v))
	}
	return all
}

// portsOf returns the ports of a service by the keys of the settings that may leave them to the system.
func portsOf(addr net.Addr, listening map[string]netip.AddrPort) *map[string]string {
	ports := map[string]string{}
	if _, port, err := net.SplitHostPort(addr.String()); err == nil {
		ports["web.listen_address"] = port
	}
	for source, at := range listening {
		ports["nozzle."+source+".listen_address"] = strconv.Itoa(int(at.Port()))
	}
	return &ports
}

// withPorts puts the ports that the system has chosen in place of those that are 0.
func (s *service) withPorts(c api.Config) api.Config {
	ports := s.ports.Load()
	if ports == nil {
		return c // not all are open yet
	}
	for i := range c.Settings {
		of := &c.Settings[i]
		if host, port, err := net.SplitHostPort(of.Value); err == nil && port == "0" && (*ports)[of.Key] != "" {
			of.Value = net.JoinHostPort(host, (*ports)[of.Key])
		}
	}
	return c
}

func settingsInForce(running, reloaded *config.Config) []config.Reported {
	all, later := running.Report(), reloaded.Report()
	for i := range all {
		if all[i].Reloads() {
			all[i] = later[i]
		}
	}
	return all
}

// pending says what a reload would do now.
func (r *reloader) pending(inForce []config.Reported) *api.Pending {
	p := &api.Pending{Reload: []api.SettingChange{}, Restart: []api.SettingChange{}, RuleFiles: []string{}}
	loaded, err := r.load()
	if loaded != nil { // some settings may be wrong
		r.compare(p, inForce, loaded)
	}
	if err != nil {
		p.Error = withRuleMistakes(loaded, err).Error()
		return p
	}
	options, err := taggerOptions(&loaded.Tagger)
	if err == nil {
		_, _, err = tagger.New(options)
	}
	if err != nil {
		p.Error = err.Error()
		return p
	}
	before := map[string][]byte{}
	for _, f := range r.inForce.Load().rules.UserRules {
		before[f.File] = f.Data
	}
	for _, f := range options.UserRules {
		if text, ok := before[f.File]; !ok || !bytes.Equal(text, f.Data) {
			p.RuleFiles = append(p.RuleFiles, f.File)
		}
	}
	return p
}

// compare lists the settings that have another value than in force.
func (r *reloader) compare(p *api.Pending, inForce []config.Reported, loaded *config.Config) {
	restart := config.AwaitRestart(r.running, loaded) // by values, which may be secrets
	for i, s := range loaded.Report() {
		change := api.SettingChange{Key: s.Key, Value: inForce[i].Value, New: s.Value}
		switch {
		case slices.Contains(restart, s.Key):
			p.Restart = append(p.Restart, change)
		case s.Reloads() && s.Value != inForce[i].Value:
			p.Reload = append(p.Reload, change)
		}
	}
}
