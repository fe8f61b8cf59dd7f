package bosh

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"loggregator_exporter/e2e/peer"
)

const (
	group   = "/instance_groups/name=loggregator-exporter"
	nozzle  = group + "/jobs/name=loggregator_exporter"
	sidecar = "/addons/name=loggregator_exporter_sidecar/jobs/name=loggregator_exporter_sidecar"
	// exporterHost is the name by which agents and collectors find the exporters.
	exporterHost = "loggregator-exporter.service.cf.internal"
	cacheDrains  = "/instance_groups/name=scheduler/jobs/name=loggr-syslog-binding-cache/properties/aggregate_drains"
	forwarder    = "/addons/name=forwarder_agent/jobs/name=loggr-forwarder-agent/properties"
	collector    = "/addons/name=otel-collector"
	aliases      = "/addons/name=bosh-dns-aliases/jobs/name=bosh-dns-aliases/properties/aliases"
	scrapes      = "/instance_groups/name=prometheus2/jobs/name=prometheus2/properties/prometheus/scrape_configs"
)

// operation is a way to deploy: ops files in the order of the README.
type operation struct {
	name     string
	manifest string
	theirs   string // an ops file of cf-deployment that comes before ours, in testdata
	files    []string
	given    []string // variables with -v
	want     map[string]any
	gone     []string
	job      string // whose properties are to be rendered, at properties
	at       string
}

func operations() []operation {
	certificate := func(name string) map[string]any {
		return map[string]any{
			"ca_cert": "((" + name + ".ca))",
			"cert":    "((" + name + ".certificate))",
			"key":     "((" + name + ".private_key))",
		}
	}
	return []operation{
		{
			name: "exporter", files: []string{"add-exporter.yml"}, given: []string{"system_domain"}, job: nozzleJob, at: nozzle,
			want: map[string]any{
				group + "/instances":                                  1,
				nozzle + "/properties/nozzle/rlp/tls":                 certificate("loggregator_exporter_tls"),
				nozzle + "/consumes/reverse_log_proxy/from":           "reverse_log_proxy",
				"/variables/name=loggregator_exporter_tls/options/ca": "loggregator_ca",
				"/variables/name=loggregator_exporter_tls/options/extended_key_usage": []any{
					"client_auth",
				},
				"/releases/name=loggregator_exporter/version": "latest",
			},
		},
		{
			name:  "shards",
			files: []string{"add-exporter.yml", "shards.yml"},
			given: []string{"system_domain", "loggregator_exporter_instances"},
			job:   nozzleJob,
			at:    nozzle,
			want: map[string]any{
				group + "/instances":            "((loggregator_exporter_instances))",
				group + "/azs":                  []any{"z1", "z2"},
				group + "/update/max_in_flight": 1,
			},
		},
		{
			name:  "gateway",
			files: []string{"add-exporter.yml", "use-gateway.yml"},
			given: []string{"system_domain"},
			job:   nozzleJob,
			at:    nozzle,
			want: map[string]any{
				nozzle + "/properties/nozzle/rlp/enabled":                                                         false,
				nozzle + "/properties/uaa/client_secret":                                                          "((uaa_clients_loggregator_exporter_secret))",
				"/instance_groups/name=uaa/jobs/name=uaa/properties/uaa/clients/loggregator_exporter/authorities": "doppler.firehose,logs.admin",
			},
			gone: []string{nozzle + "/consumes", "/variables/name=loggregator_exporter_tls"},
		},
		{
			name:  "compatibility",
			files: []string{"add-exporter.yml", "compatibility.yml"},
			given: []string{"system_domain"},
			job:   nozzleJob,
			at:    nozzle,
			want: map[string]any{
				nozzle + "/properties/metrics": map[string]any{
					"environment":   "((system_domain))",
					"compatibility": "firehose_exporter",
				},
			},
		},
		{
			name: "web", files: []string{"add-exporter.yml", "web-tls.yml"}, job: nozzleJob, at: nozzle,
			given: []string{"system_domain", "loggregator_exporter_web_password_hash"},
			want: map[string]any{
				nozzle + "/properties/web/probe_without_auth":                             true,
				nozzle + "/properties/web/tls/cert":                                       "((loggregator_exporter_web_tls.certificate))",
				"/variables/name=loggregator_exporter_web_tls/options/extended_key_usage": []any{"server_auth"},
			},
		},
		{
			name:  "remote write",
			files: []string{"add-exporter.yml", "shards.yml", "remote-write.yml"},
			job:   nozzleJob,
			at:    nozzle,
			given: []string{
				"system_domain",
				"loggregator_exporter_instances",
				"loggregator_exporter_remote_write_url",
				"loggregator_exporter_remote_write_username",
				"loggregator_exporter_remote_write_password",
			},
			want: map[string]any{nozzle + "/properties/remote_write/enabled": true},
		},
		{
			name: "sidecar", files: []string{"add-sidecar.yml"}, given: []string{"system_domain"}, job: sidecarJob, at: sidecar,
			want: map[string]any{
				sidecar + "/properties/nozzle/ingress/tls":                                    certificate("loggregator_exporter_sidecar_tls"),
				"/variables/name=loggregator_exporter_sidecar_tls/options/common_name":        "metron",
				"/variables/name=loggregator_exporter_sidecar_tls/options/extended_key_usage": []any{"server_auth"},
				"/instance_groups/name=router/jobs/name=loggr-udp-forwarder/name":             "loggr-udp-forwarder",
			},
		},
		{
			name:  "sidecar by UDP",
			files: []string{"add-exporter.yml", "add-sidecar.yml", "sidecar-udp.yml"},
			given: []string{"system_domain"},
			job:   sidecarJob,
			at:    sidecar,
			want: map[string]any{
				sidecar + "/properties/nozzle": map[string]any{
					"ingress": map[string]any{"enabled": false},
					"udp":     map[string]any{"enabled": true},
				},
				nozzle + "/name": "loggregator_exporter",
				"/instance_groups/name=router/jobs/name=gorouter/name": "gorouter",
			},
			gone: []string{"/variables/name=loggregator_exporter_sidecar_tls"},
		},
		{
			name:  "aggregate drain",
			files: []string{"add-exporter.yml", "aggregate-drain.yml"},
			given: []string{"system_domain"},
			job:   nozzleJob,
			at:    nozzle,
			want: map[string]any{
				nozzle + "/properties/nozzle/rlp":            map[string]any{"enabled": false},
				nozzle + "/properties/nozzle/syslog/enabled": true,
				nozzle + "/properties/nozzle/syslog/tls": map[string]any{
					"ca_cert": "((syslog_agent_log_cache_tls.ca))",
					"cert":    "((loggregator_exporter_syslog_tls.certificate))",
					"key":     "((loggregator_exporter_syslog_tls.private_key))",
				},
				cacheDrains: []any{logCache, ourDrain("metrics")},
				aliases + "/domain=" + exporterHost + "/targets/0/instance_group":              "loggregator-exporter",
				"/variables/name=loggregator_exporter_syslog_tls/options":                      serverOptions,
				"/addons/name=loggr-syslog-agent/jobs/name=loggr-syslog-agent/properties/port": 3460,
			},
			gone: []string{
				nozzle + "/consumes", "/variables/name=loggregator_exporter_tls",
				// Of the agents themselves it would take the place of the cache's list.
				"/addons/name=loggr-syslog-agent/jobs/name=loggr-syslog-agent/properties/aggregate_drains",
			},
		},
		{
			name:  "aggregate drain with requests",
			files: []string{"add-exporter.yml", "aggregate-drain.yml", "aggregate-drain-timers.yml"},
			given: []string{"system_domain"},
			job:   nozzleJob,
			at:    nozzle,
			want:  map[string]any{cacheDrains: []any{logCache, ourDrain("metrics"), ourDrain("traces")}},
		},
		{
			name:   "collectors",
			theirs: "add-otel-collector.yml",
			files:  []string{"add-exporter.yml", "otel-collector.yml"},
			given:  []string{"system_domain"},
			job:    nozzleJob,
			at:     nozzle,
			want: map[string]any{
				nozzle + "/properties/nozzle/rlp":          map[string]any{"enabled": false},
				nozzle + "/properties/nozzle/otlp/enabled": true,
				nozzle + "/properties/nozzle/otlp/tls": map[string]any{
					"ca_cert": "((loggregator_exporter_otlp_client_tls.ca))",
					"cert":    "((loggregator_exporter_otlp_tls.certificate))",
					"key":     "((loggregator_exporter_otlp_tls.private_key))",
				},
				// The job of 0.11.9 refuses the names otlp and otlphttp, which its spec's example has.
				collector + "/jobs/name=otel-collector/properties/config": map[string]any{
					"exporters": map[string]any{"otlp_grpc/loggregator_exporter": map[string]any{
						"endpoint":      exporterHost + ":4317",
						"balancer_name": "pick_first",
						"tls": map[string]any{
							"ca_pem":   "((loggregator_exporter_otlp_tls.ca))",
							"cert_pem": "((loggregator_exporter_otlp_client_tls.certificate))",
							"key_pem":  "((loggregator_exporter_otlp_client_tls.private_key))",
						},
					}},
					"service": map[string]any{"pipelines": map[string]any{
						"metrics": map[string]any{"exporters": []any{"otlp_grpc/loggregator_exporter"}},
					}},
				},
				collector + "/include/stemcell": []any{
					map[string]any{"os": "ubuntu-jammy"}, map[string]any{"os": "ubuntu-noble"},
				},
				forwarder + "/emit_otel_logs":                                                     false,
				forwarder + "/emit_otel_traces":                                                   false,
				aliases + "/domain=" + exporterHost + "/targets/0/instance_group":                 "loggregator-exporter",
				"/variables/name=loggregator_exporter_otlp_tls/options":                           serverOptions,
				"/variables/name=loggregator_exporter_otlp_client_tls/options/extended_key_usage": []any{"client_auth"},
			},
			gone: []string{nozzle + "/consumes", "/variables/name=loggregator_exporter_tls"},
		},
		{
			name:  "in the collectors' place",
			files: []string{"add-sidecar.yml", "sidecar-otlp.yml"},
			given: []string{"system_domain"},
			job:   sidecarJob,
			at:    sidecar,
			want: map[string]any{
				sidecar + "/properties/nozzle": map[string]any{
					"ingress": map[string]any{"enabled": false},
					"otlp":    map[string]any{"enabled": true, "tls": certificate("loggregator_exporter_sidecar_otlp_tls")},
				},
				"/variables/name=loggregator_exporter_sidecar_otlp_tls/options": map[string]any{
					"ca": "loggregator_ca", "common_name": "otel-collector", "alternative_names": []any{"otel-collector"},
					"extended_key_usage": []any{"server_auth"},
				},
				forwarder + "/emit_otel_logs":   false,
				forwarder + "/emit_otel_traces": false,
			},
			gone: []string{"/variables/name=loggregator_exporter_sidecar_tls", collector},
		},
		{
			name: "Prometheus", manifest: "prometheus.yml", files: []string{"prometheus/monitor-loggregator-exporter.yml"},
			want: map[string]any{
				scrapes + "/job_name=loggregator_exporter/relabel_configs/1/replacement":         "${1}:9286",
				scrapes + "/job_name=loggregator_exporter_sidecar/relabel_configs/1/replacement": "${1}:9287",
				scrapes + "/job_name=prometheus/job_name":                                        "prometheus",
			},
		},
		{
			name:     "Prometheus with TLS",
			manifest: "prometheus.yml",
			files:    []string{"prometheus/monitor-loggregator-exporter.yml", "prometheus/web-tls.yml"},
			given:    []string{"loggregator_exporter_web_ca", "loggregator_exporter_web_password"},
			want: map[string]any{
				scrapes + "/job_name=loggregator_exporter/scheme":                 "https",
				scrapes + "/job_name=loggregator_exporter/tls_config/server_name": "loggregator_exporter",
			},
		},
	}
}

// logCache is the drain that the manifest has.
var logCache = map[string]any{
	"url":  "syslog-tls://log-cache.service.cf.internal:6067?include-metrics-deprecated=true&ssl-strict-internal=true",
	"ca":   "((log_cache_syslog_tls.ca))",
	"cert": "((syslog_agent_log_cache_tls.certificate))",
	"key":  "((syslog_agent_log_cache_tls.private_key))",
}

// ourDrain is the drain of an ops file. The keys are in lower case, as the cache reads them; the job's spec shows CA.
func ourDrain(data string) map[string]any {
	return map[string]any{
		"url":  "syslog-tls://" + exporterHost + ":6067?drain-data=" + data + "&ssl-strict-internal=true",
		"ca":   "((loggregator_exporter_syslog_tls.ca))",
		"cert": "((syslog_agent_log_cache_tls.certificate))",
		"key":  "((syslog_agent_log_cache_tls.private_key))",
	}
}

// serverOptions are those of a certificate by which senders know the exporters.
var serverOptions = map[string]any{
	"ca": "loggregator_ca", "common_name": exporterHost, "alternative_names": []any{exporterHost},
	"extended_key_usage": []any{"server_auth"},
}

// Each combination of ops files makes a manifest with all its variables, whose properties the job accepts.
func TestOperations(t *testing.T) {
	release, program := releaseDir(t), exporter(t)
	seen := map[string]bool{}
	for _, o := range operations() {
		t.Run(o.name, func(t *testing.T) {
			for i, file := range o.files {
				seen[file] = true
				o.files[i] = filepath.Join("operations", file)
			}
			doc, err := o.check(release)
			if err != nil {
				t.Fatal(err)
			}
			if o.job != "" {
				o.render(t, release, program, doc)
			}
			if strings.HasPrefix(o.manifest, "prometheus") {
				checkScrapes(t, doc)
			}
		})
	}
	err := filepath.WalkDir(filepath.Join(release, "operations"), func(path string, d os.DirEntry, err error) error {
		if relative, _ := filepath.Rel(
			filepath.Join(release, "operations"),
			path,
		); err == nil && !d.IsDir() &&
			!seen[relative] {
			t.Errorf("no test applies %s", relative)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (o *operation) check(release string) (any, error) {
	manifest := o.manifest
	if manifest == "" {
		manifest = "cf-deployment.yml"
	}
	var before []string
	if o.theirs != "" {
		before = append(before, filepath.Join("testdata", o.theirs))
	}
	doc, err := apply(release, filepath.Join("testdata", manifest), before, o.files...)
	if err != nil {
		return nil, err
	}
	if err := checkVariables(doc, o.given...); err != nil {
		return nil, err
	}
	for path, want := range o.want {
		if got, err := find(doc, path); err != nil || !reflect.DeepEqual(got, want) {
			return nil, fmt.Errorf("%s is %v (%w), want %v", path, got, err, want)
		}
	}
	for _, path := range o.gone {
		if got, err := find(doc, path); err == nil {
			return nil, fmt.Errorf("%s is still there: %v", path, got)
		}
	}
	if strings.Contains(o.name, "UDP") {
		text, err := yaml.Marshal(tight(doc))
		if err != nil {
			return nil, err
		}
		if strings.Contains(string(text), "loggr-udp-forwarder") {
			return nil, errors.New("loggr-udp-forwarder still has port 3457 somewhere")
		}
	}
	return doc, nil
}

// render gives the properties of the manifest to the job's templates, with values for the variables.
func (o *operation) render(t *testing.T, release, program string, doc any) {
	t.Helper()
	a := newAuthority(t)
	properties, err := find(doc, o.at+"/properties")
	if err != nil {
		t.Fatal(err)
	}
	s := &set{properties: fill(properties, a).(map[string]any)}
	if _, err := find(doc, o.at+"/consumes/reverse_log_proxy"); err == nil {
		s.link = rlpLink
	}
	r, err := render(t, release, o.job, s)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := r.install(root, o.job, program); err != nil {
		t.Fatal(err)
	}
	if out, err := script(
		t,
		root,
		o.job,
		"pre-start",
		fakeSysctl(t, 1<<30),
	); err != nil ||
		strings.Contains(out, "warning") {
		t.Errorf("pre-start: %v\n%s", err, out)
	}
}

// fill stands in for CredHub.
func fill(value any, a *authority) any {
	switch v := value.(type) {
	case map[string]any:
		for key := range v {
			v[key] = fill(v[key], a)
		}
		return v
	case []any:
		for i := range v {
			v[i] = fill(v[i], a)
		}
		return v
	case string:
		return reference.ReplaceAllStringFunc(v, func(ref string) string {
			metron := strings.Contains(ref, "sidecar_tls") || strings.Contains(ref, "web_tls")
			server, named := a.servers()[reference.FindStringSubmatch(ref)[1]]
			switch {
			case named && strings.HasSuffix(ref, ".certificate))"):
				return server.cert
			case named && strings.HasSuffix(ref, ".private_key))"):
				return server.key
			case strings.HasSuffix(ref, ".ca))"), strings.HasSuffix(ref, "_ca.certificate))"):
				return a.ca
			case strings.HasSuffix(ref, ".certificate))") && metron:
				return a.metron
			case strings.HasSuffix(ref, ".private_key))") && metron:
				return a.metKey
			case strings.HasSuffix(ref, ".certificate))"):
				return a.cert
			case strings.HasSuffix(ref, ".private_key))"):
				return a.key
			case strings.HasSuffix(ref, "_url))"):
				return "https://mimir.example.com/api/v1/push"
			case strings.HasSuffix(ref, "_hash))"):
				return bcrypt
			default:
				return "sys.example.com"
			}
		})
	default:
		return value
	}
}

// servers are the certificates of sources that others send to, by variable.
func (a *authority) servers() map[string]pair {
	return map[string]pair{
		"loggregator_exporter_syslog_tls":       a.syslog,
		"loggregator_exporter_otlp_tls":         a.syslog,
		"loggregator_exporter_sidecar_otlp_tls": a.otel,
	}
}

// checkScrapes lets Prometheus' own tool check the scrape configurations.
func checkScrapes(t *testing.T, doc any) {
	t.Helper()
	configs, err := find(doc, scrapes)
	if err != nil {
		t.Fatal(err)
	}
	a := newAuthority(t)
	text, err := yaml.Marshal(map[string]any{"scrape_configs": fill(configs, a)})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	// The file of the targets is written by bosh_exporter.
	out, err := exec.CommandContext(t.Context(), peer.Promtool().File(t), "check", "config", "--syntax-only", file).
		CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The sidecar as a runtime config has the properties of the ops file, and says no `latest`, which a director refuses
// there.
func TestRuntimeConfig(t *testing.T) {
	release := releaseDir(t)
	text, err := os.ReadFile(filepath.Join(release, "runtime-configs/sidecar.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	doc = loose(doc)
	if err := checkVariables(doc, "loggregator_exporter_version", "loggregator_ca_name", "environment"); err != nil {
		t.Error(err)
	}
	if version, err := find(doc, "/releases/name=loggregator_exporter/version"); err != nil || version == "latest" {
		t.Errorf("version %v, %v", version, err)
	}
	other, err := apply(release, "testdata/cf-deployment.yml", nil, "operations/add-sidecar.yml")
	if err != nil {
		t.Fatal(err)
	}
	mine, err1 := find(doc, sidecar+"/properties/nozzle")
	theirs, err2 := find(other, sidecar+"/properties/nozzle")
	shown := strings.ReplaceAll(fmt.Sprint(mine), "((/", "((")
	if err1 != nil || err2 != nil || shown != fmt.Sprint(theirs) {
		t.Errorf("%v (%v)\ndiffers from\n%v (%v)", mine, err1, theirs, err2)
	}
}
