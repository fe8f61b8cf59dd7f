package bosh

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The checks of the other tests find what they are there for: each of these mistakes, made in a copy of the release.
func TestChecksFindMistakes(t *testing.T) {
	const jobs, nozzleTemplates = "jobs/loggregator_exporter/", "jobs/loggregator_exporter/templates/"
	for _, m := range []struct {
		name, file, old, new string
		check                func(t *testing.T, release string) error
		want                 string
	}{
		{"an undeclared property", nozzleTemplates + "config/web.yml.erb", `p("web.tls.key")`, `p("web.tls.keys")`, webSet, "property web.tls.keys is not declared in the spec (config/web.yml.erb:"},
		{"an unused property", jobs + "spec", "\nproperties:\n", "\nproperties:\n  web.idle:\n    description: Unused.\n", allSets, "no template asks for property web.idle"},
		{"no description", jobs + "spec", `description: "Password of that user, in clear text."`, `description: ""`, specAlone, "property web.probe.password has no description"},
		{"a template that is not in the spec", jobs + "spec", "  certs/web.key.erb: config/certs/web.key\n", "", specAlone, "template certs/web.key.erb is not in the spec"},
		{"two templates for one file", jobs + "spec", "config/certs/web.key\n", "config/certs/web.crt\n", specAlone, "are both rendered to config/certs/web.crt"},
		{"an unknown key in a spec", jobs + "spec", "\npackages:\n", "\npackage:\n", specAlone, "field package not found"},
		{"an unknown package", jobs + "spec", "packages:\n- loggregator_exporter", "packages:\n- exporter", specAlone, "package exporter"},
		{"Ruby that is none", nozzleTemplates + "config/web.yml.erb", "unless users.empty?", "unless users.empty? do do", oneSet, "syntax error"},
		{"an unknown key in bpm.yml", nozzleTemplates + "config/bpm.yml.erb", `"limits" =>`, `"limit" =>`, oneSet, "field limit not found"},
		{"a number as a variable", nozzleTemplates + "config/bpm.yml.erb", "spec.index.to_s", "spec.index", oneSet, "variable BOSH_INSTANCE_INDEX is a !!int"},
		{"another program", nozzleTemplates + "config/bpm.yml.erb", "/bin/exporter", "/exporter", oneSet, "executable"},
		{"another address", nozzleTemplates + "config/exporter.yml.erb", "#{rlp.address}", "127.0.0.1", oneSet, "nozzle.rlp.address is"},
		{"an alias", nozzleTemplates + "config/exporter.yml.erb", "YAML.dump(JSON.parse(JSON.generate(config)))", `YAML.dump(config.merge("twice" => config))`, oneSet, "an anchor or an alias"},
		{"monit without a group", jobs + "monit", "  group vcap\n", "", oneSet, "not of the form"},
		{"monit with another process", jobs + "monit", "bpm start loggregator_exporter", "bpm start exporter", oneSet, "not of the form"},
		{"an ops file for another group", "operations/shards.yml", "name=loggregator-exporter/azs", "name=exporter/azs", allOperations, "shards.yml"},
		{"an ops file with an unknown key", "operations/shards.yml", "  path:", "  paths:", allOperations, "field paths not found"},
		{"an undeclared variable", "operations/add-exporter.yml", "((loggregator_exporter_tls.ca))", "((loggregator_exporter_cert.ca))", allOperations, "variable loggregator_exporter_cert is not declared"},
		{"a certificate's field that is none", "operations/add-exporter.yml", "tls.private_key))", "tls.key))", allOperations, `is a certificate and has no ".key"`},
		{"an unknown CA", "operations/add-sidecar.yml", "ca: loggregator_ca", "ca: loggregator", allOperations, "its CA loggregator is not declared"},
		{"a variable left over", "operations/use-gateway.yml", "- type: remove\n  path: /variables/name=loggregator_exporter_tls\n", "", allOperations, "variable loggregator_exporter_tls is declared, but not used"},
		{"port 3457 taken twice", "operations/sidecar-udp.yml", "- type: remove\n  path: /instance_groups/name=router?/jobs/name=loggr-udp-forwarder\n", "", allOperations, "loggr-udp-forwarder still has port 3457"},
		{"the drain of the agents themselves", "operations/aggregate-drain.yml", "/instance_groups/name=scheduler/jobs/name=loggr-syslog-binding-cache/properties/aggregate_drains/-", "/addons/name=loggr-syslog-agent/jobs/name=loggr-syslog-agent/properties/aggregate_drains?/-", allOperations, "aggregate_drains is"},
		{"a drain in place of Log Cache", "operations/aggregate-drain.yml", "aggregate_drains/-", "aggregate_drains/0", allOperations, "aggregate_drains is"},
		{"an exporter that the collector does not know", "operations/otel-collector.yml", "      otlp_grpc/", "      otlp/", allOperations, "properties/config is"},
		{"a collector on no VM", "operations/otel-collector.yml", "- os: ubuntu-noble", "- os: ubuntu-bionic", allOperations, "/include/stemcell is"},
		{"another certificate for the agent", "operations/add-sidecar.yml", "common_name: metron", "common_name: sidecar", allOperations, "common_name is sidecar"},
		{"another certificate for OTLP", "operations/sidecar-otlp.yml", "- otel-collector", "- metron", allOperations, "otlp_tls/options is"},
	} {
		t.Run(m.name, func(t *testing.T) {
			release := t.TempDir()
			if err := os.CopyFS(release, os.DirFS(releaseDir(t))); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(release, m.file)
			text, err := os.ReadFile(file)
			if err != nil || !strings.Contains(string(text), m.old) {
				t.Fatalf("%v: %s does not hold %q", err, m.file, m.old)
			}
			if err := os.WriteFile(file, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := m.check(t, release); err == nil || !strings.Contains(err.Error(), m.want) {
				t.Errorf("found %v, want %q", err, m.want)
			}
		})
	}
}

// oneSet renders the nozzle by a link and checks what comes out, as TestJobs does but for the exporter's own check.
func oneSet(t *testing.T, release string) error {
	t.Helper()
	s := nozzleSets(newAuthority(t))[0]
	_, err := checkRendering(t, release, s)
	return err
}

// webSet is the same for the set that has TLS and users.
func webSet(t *testing.T, release string) error {
	t.Helper()
	sets := nozzleSets(newAuthority(t))
	i := slices.IndexFunc(sets, func(s *set) bool { return s.name == "web with TLS and users" })
	_, err := checkRendering(t, release, sets[i])
	return err
}

// specAlone checks a spec as if templates asked for all of it.
func specAlone(t *testing.T, release string) error {
	t.Helper()
	s, err := readSpec(release, nozzleJob)
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for name := range s.Properties {
		used[name] = true
	}
	return checkSpec(release, nozzleJob, used)
}

// allSets renders all that the exporter is to accept, and compares the spec with that.
func allSets(t *testing.T, release string) error {
	t.Helper()
	used := map[string]bool{}
	var errs []error
	for _, s := range nozzleSets(newAuthority(t)) {
		if s.sources == "" {
			continue
		}
		names, err := checkRendering(t, release, s)
		errs = append(errs, err)
		for _, name := range names {
			used[name] = true
		}
	}
	return errors.Join(append(errs, checkSpec(release, nozzleJob, used))...)
}

func checkRendering(t *testing.T, release string, s *set) ([]string, error) {
	t.Helper()
	r, err := render(t, release, nozzleJob, s)
	if err != nil {
		return nil, err
	}
	_, bpmErr := checkBPM(r.Files["config/bpm.yml"], nozzleJob)
	monit, err := os.ReadFile(filepath.Join(release, "jobs", nozzleJob, "monit"))
	if err != nil {
		t.Fatal(err)
	}
	return r.Used, errors.Join(
		bpmErr,
		checkMonit(string(monit), nozzleJob),
		s.checkConfig(r.Files["config/exporter.yml"]),
	)
}

func allOperations(_ *testing.T, release string) error {
	var errs []error
	for _, o := range operations() {
		o.files = slices.Clone(o.files)
		for i, file := range o.files {
			o.files[i] = filepath.Join("operations", file)
		}
		if _, err := o.check(release); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", o.name, err))
		}
	}
	return errors.Join(errs...)
}
