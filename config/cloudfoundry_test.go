package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

const (
	appJSON     = `{"application_id":"0f5a","application_name":"loggregator-exporter","cf_api":"https://api.sys.example.com","limits":{"fds":16384},"uris":[]}`
	serviceJSON = `{"user-provided":[{"label":"user-provided","name":"loggregator-exporter","tags":[],"instance_guid":"0f5b","instance_name":"loggregator-exporter",` +
		`"binding_guid":"0f5c","binding_name":null,"credentials":%,"syslog_drain_url":null,"volume_mounts":[]}],"p.mysql":[{"name":"db","tags":["mysql"],"credentials":{"uri":1}}]}`
)

func service(credentials string) string { return strings.Replace(serviceJSON, "%", credentials, 1) }

// TestCloudFoundry: what an app is told by its platform becomes settings, and everything else wins over it.
func TestCloudFoundry(t *testing.T) {
	const client = `"uaa.client_id":"exporter","uaa.client_secret":"s3cret"`
	type settings struct{ Listen, Gateway, Firehose, UAA, ID, Secret string }
	derived := settings{
		":8080", "https://log-stream.sys.example.com", "wss://doppler.sys.example.com",
		"https://uaa.sys.example.com", "", "",
	}
	with := func(change func(*settings)) settings {
		s := derived
		change(&s)
		return s
	}
	bound := with(func(s *settings) { s.ID, s.Secret = "exporter", "s3cret" })
	for _, tc := range []struct {
		name                string
		app, port, services string
		file, env           string
		args                []string
		want                settings
	}{
		{name: "no app", port: "8080", services: service("{" + client + "}"), want: settings{Listen: ":9286"}},
		{name: "an app", app: appJSON, port: "8080", want: derived},
		{name: "an app without a port", app: appJSON, want: with(func(s *settings) { s.Listen = ":9286" })},
		{
			name: "another service", app: appJSON, port: "8080",
			services: `{"user-provided":[{"name":"db","credentials":{"uri":1}}]}`, want: derived,
		},
		{name: "dotted keys", app: appJSON, port: "8080", services: service("{" + client + "}"), want: bound},
		{
			name: "sections", app: appJSON, port: "8080",
			services: service(`{"uaa":{"client_id":"exporter","client_secret":"s3cret"}}`), want: bound,
		},
		{
			name: "both", app: appJSON, port: "8080",
			services: service(`{"uaa":{"client_id":"exporter"},"uaa.client_secret":"s3cret"}`), want: bound,
		},
		{
			name: "by tag", app: appJSON, port: "8080", want: bound,
			services: `{"broker":[{"name":"client","tags":["uaa","loggregator-exporter"],"credentials":{` + client + `}}]}`,
		},
		{
			name: "by the name of the instance", app: appJSON, port: "8080", want: bound,
			services: `{"broker":[{"name":"binding","binding_name":"binding","instance_name":"loggregator-exporter","credentials":{` + client + `}}]}`,
		},
		{
			name: "a secret of digits", app: appJSON, port: "8080",
			services: service(`{"uaa.client_secret":123456789012345678901}`),
			want:     with(func(s *settings) { s.Secret = "123456789012345678901" }),
		},
		{
			name: "service over what is derived", app: appJSON, port: "8080",
			services: service(`{"uaa.url":"https://login.example.com","web.listen_address":":1"}`),
			want:     with(func(s *settings) { s.UAA, s.Listen = "https://login.example.com", ":1" }),
		},
		{
			name: "file over service", app: appJSON, port: "8080", services: service(`{"uaa.client_id":"service"}`),
			file: "uaa: {client_id: file}\nweb: {listen_address: ':2'}",
			want: with(func(s *settings) { s.ID, s.Listen = "file", ":2" }),
		},
		{
			name: "variable over file", app: appJSON, port: "8080", services: service(`{"uaa.client_id":"service"}`),
			file: "uaa: {client_id: file}", env: "variable",
			want: with(func(s *settings) { s.ID = "variable" }),
		},
		{
			name: "flag over all", app: appJSON, port: "8080", services: service(`{"uaa.client_id":"service"}`),
			env: "variable", args: []string{"--uaa.client_id=flag", "--web.listen_address=:3"},
			want: with(func(s *settings) { s.ID, s.Listen = "flag", ":3" }),
		},
		{
			name: "null says nothing", app: appJSON, port: "8080", services: service(`{"uaa.client_id":null,"uaa":null}`),
			want: derived,
		},
		{
			name: "an API at another port", app: `{"cf_api":"https://api.example.com:8443"}`, port: "8080",
			want: settings{
				":8080", "https://log-stream.example.com", "wss://doppler.example.com", "https://uaa.example.com",
				"", "",
			},
		},
		{
			name: "an API of another name", app: `{"cf_api":"https://cloud.example.com"}`, port: "8080",
			want: settings{Listen: ":8080"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv(vcapApplication, tc.app)
			t.Setenv(vcapServices, tc.services)
			t.Setenv(portEnv, tc.port)
			t.Setenv("LOGGREGATOR_EXPORTER_UAA_CLIENT_ID", tc.env)
			args := tc.args
			if tc.file != "" {
				path := t.TempDir() + "/c.yml"
				writeFile(t, path, tc.file)
				args = append(args, "--config", path)
			}
			cfg, warnings, err := load(t, args...)
			if err != nil || len(warnings) > 0 {
				t.Fatal(warnings, err)
			}
			got := settings{
				cfg.Web.ListenAddress, cfg.Nozzle.Gateway.URL, cfg.Nozzle.Firehose.URL, cfg.UAA.URL,
				cfg.UAA.ClientID, cfg.UAA.ClientSecret,
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestServiceTypes: credentials of every kind of setting, as JSON writes them and as texts, which is all that cf
// prompts for.
func TestServiceTypes(t *testing.T) {
	for _, credentials := range []string{
		`{"nozzle":{"gateway":{"enabled":true},"selectors":["gauge","counter"]},"metrics":{"max_series":5000,"expiration":"1m","http":{"buckets":[0.1,1]}},"uaa":{"client_id":"a","client_secret":"b"}}`,
		`{"nozzle.gateway.enabled":"true","nozzle.selectors":"gauge, counter","metrics.max_series":"5000","metrics.expiration":"1m","metrics.http.buckets":"0.1,1","uaa.client_id":"a","uaa.client_secret":"b"}`,
	} {
		t.Setenv(vcapApplication, appJSON)
		t.Setenv(vcapServices, service(credentials))
		byService, _, err := load(t)
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv(vcapServices, "")
		byFlag, _, err := load(t, "--nozzle.gateway.enabled", "--nozzle.selectors=gauge,counter",
			"--metrics.max_series=5000", "--metrics.expiration=1m",
			"--metrics.http.buckets=0.1,1", "--uaa.client_id=a", "--uaa.client_secret=b")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(byFlag, byService); diff != "" {
			t.Errorf("flags and service differ:\n%s", diff)
		}
	}
}

// TestCloudFoundryProbe: a probe finds the port, and minds only mistakes that make it unknown.
func TestCloudFoundryProbe(t *testing.T) {
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	AddFlags(flags)
	t.Setenv(vcapApplication, appJSON)
	for _, tc := range []struct{ port, services, listen, problem string }{
		{"8080", service(`{"metrics.expiration":"soon"}`), ":8080", ""},
		{"8080", service(`{"web.listen_address":":1"}`), ":1", ""},
		{"x", "", "", `PORT: "x" is not a port, 1 to 65535: Cloud Foundry sets it, so do not set it in the manifest`},
		{"8080", "{", "", "VCAP_SERVICES: not as Cloud Foundry writes it: the JSON ends after 1 bytes, before it is whole"},
	} {
		t.Setenv(portEnv, tc.port)
		t.Setenv(vcapServices, tc.services)
		cfg, err := LoadSections(flags, "web")
		if tc.problem != "" {
			if err == nil || err.Error() != tc.problem {
				t.Errorf("got  %v\nwant %s", err, tc.problem)
			}
			continue
		}
		if err != nil || cfg.Web.ListenAddress != tc.listen {
			t.Error(cfg, err)
		}
	}
}

// FuzzPlatform: whatever the platform says ends in values of the right types or in errors that name a variable and
// never show a secret.
func FuzzPlatform(f *testing.F) {
	f.Add(appJSON, service(`{"uaa.client_secret":"s3cret","nozzle":{"selectors":["gauge"],"udp":{"receive_buffer_bytes":4194304}},"metrics.http.buckets":"1,2"}`), "8080")
	f.Add(`{"cf_api":"http://api."}`, service(`{"uaa":[1],"log.level":[null,{}],"nozzle.filters":[]}`), "-1")
	f.Add(`{"cf_api":1}`, `{"a":[{"tags":["loggregator-exporter"]},{"instance_name":"loggregator-exporter"}]}`, "65536")
	f.Add(`{"cf_api":"https://api.`+"\x00"+`"}`, `{} x`, "")
	settings := newTable()
	f.Fuzz(func(t *testing.T, app, services, port string) {
		env := map[string]string{vcapApplication: app, vcapServices: services, portEnv: port}
		p := readPlatform(settings, func(name string) string { return env[name] })
		for _, m := range p.mistakes {
			if name, _, ok := strings.Cut(m.err.Error(), ":"); !ok || name != vcapApplication && name != vcapServices &&
				name != portEnv {
				t.Errorf("error without its place: %v", m.err)
			}
		}
		values := map[string]any{}
		for _, s := range settings.settings {
			values[s.Key] = s.Default
			if g, ok := p.value(s.Key); ok {
				values[s.Key] = g.value
			}
		}
		if _, err := decode(values); err != nil {
			t.Error("values have the wrong types: ", err, p.mistakes)
		}
	})
}
