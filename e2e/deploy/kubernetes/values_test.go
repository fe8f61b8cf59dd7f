package kubernetes

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"loggregator_exporter/e2e/peer"
)

// TestValuesRefused: a mistake in the values is refused before anything reaches the cluster, and the message says
// where it is.
func TestValuesRefused(t *testing.T) {
	helm := peer.Helm().File(t)
	for _, c := range []struct{ name, set, want string }{
		{"misspelt", "replica=2", "additional properties 'replica' not allowed"},
		{"misspelt below", "networkPolicy.enable=false", "at '/networkPolicy': additional properties 'enable' not allowed"},
		{"misspelt setting of the exporter", "config.nozzle.rlp.adress=x", "at '/config/nozzle/rlp': additional properties 'adress' not allowed"},
		{"type of a setting of the exporter", "config.metrics.max_series=many", "at '/config/metrics/max_series': got string, want integer"},
		{"choice of the exporter", "config.metrics.naming=camel", "at '/config/metrics/naming': value must be one of 'prometheus', 'verbatim'"},
		{"number", "replicas=two", "at '/replicas': got string, want integer"},
		{"choice", "mode=daemonset", "at '/mode': value must be one of 'nozzle', 'sidecar'"},
		{"no image", "image.repository=", "at '/image/repository': minLength: got 0, want 1"},
		{"name of a rule file", "rules.mine=x", "at '/rules': additional properties 'mine' not allowed"},
		{"no time to end", "terminationGracePeriodSeconds=2", "at '/terminationGracePeriodSeconds': minimum: got 2, want 6"},
		{"no source", "config.nozzle.rlp.enabled=false", "mode nozzle needs a source: set config.nozzle.rlp.enabled"},
		{"no certificate for agents", "config.nozzle.syslog.enabled=true", "config.nozzle.syslog needs a certificate: name its Secret in syslog.secretName"},
		{"no certificate for collectors", "config.nozzle.otlp.enabled=true", "config.nozzle.otlp needs a certificate: name its Secret in otlp.secretName"},
		{"kind of the Service for senders", "receiver.type=ExternalName", "at '/receiver/type': value must be one of"},
		{"no certificate", "rlp.secretName=", "config.nozzle.rlp needs a client certificate: name its Secret in rlp.secretName"},
		{"no client", "config.nozzle.gateway.enabled=true", "need a UAA client: name its Secret in uaa.secretName"},
		{"secret in the open", "config.uaa.client_secret=x", "config.uaa.client_secret would be readable in a ConfigMap"},
		{
			"password of remote write", "config.remote_write.url=https://me:x@mimir/push",
			"the password in config.remote_write.url would be readable in a ConfigMap: put it into a Secret, name that in secrets, and set " +
				"config.remote_write.url_file, or basic_auth",
		},
		{
			"token of remote write", "config.remote_write.url=https://mimir/push?api_key=x",
			"api_key in config.remote_write.url would be readable in a ConfigMap: put it into a Secret, name that in secrets, and set " +
				"config.remote_write.url_file",
		},
		{
			"password for tokens", "config.remote_write.oauth2.token_url=https://me:x@uaa/oauth/token",
			"the password in config.remote_write.oauth2.token_url would be readable in a ConfigMap",
		},
		{
			"header of remote write", "config.remote_write.headers[0].name=x-api-key,config.remote_write.headers[0].value=x",
			"the value of x-api-key in config.remote_write.headers would be readable in a ConfigMap: put it into a Secret, name that in secrets, " +
				"and set its value_file in place of value",
		},
		{
			"parameter for tokens", "config.remote_write.oauth2.endpoint_params[0].name=client_assertion_secret," +
				"config.remote_write.oauth2.endpoint_params[0].value=x",
			"the value of client_assertion_secret in config.remote_write.oauth2.endpoint_params would be readable in a ConfigMap",
		},
		{
			"secret in a variable", "extraEnv[0].name=LOGGREGATOR_EXPORTER_UAA_CLIENT_SECRET,extraEnv[0].value=x",
			"LOGGREGATOR_EXPORTER_UAA_CLIENT_SECRET in extraEnv would be readable in the description of every pod",
		},
		{"no web at all", "web=null", "missing property 'web'"},
		{"no keys of a Secret", "rlp.keys=null", "missing property 'keys'"},
		{"one name for all", "replicas=2,config.nozzle.deterministic_name=x", "config.nozzle.deterministic_name would be the name of every shard"},
		{"no web.yml", "web.tls=true", "name the Secret that holds it in web.secretName"},
		{"half of the login", "web.secretName=x,web.basicAuth.username=x", "web.basicAuth.secretName and web.basicAuth.username belong together"},
		{"job that no alert finds", "fullnameOverride=x,serviceMonitor.enabled=true,prometheusRule.enabled=true", "alerts look for a job whose name contains"},
		{"port of a sidecar", "mode=sidecar,config.web.listen_address=:1", "in mode sidecar the port is sidecar.port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, complaint, err := run(t, nil, helm, "template", release, chart(t), "--values", values(t)["least"], "--set", c.set)
			if err == nil || !strings.Contains(complaint, c.want) {
				t.Errorf("--set %s: %v\n%s\nwant: %s", c.set, err, complaint, c.want)
			}
		})
	}
	_, complaint, err := run(t, nil, helm, "template", release, chart(t))
	if err == nil || !strings.Contains(complaint, "/image/repository") {
		t.Errorf("no values at all: %v\n%s", err, complaint)
	}
}

// TestNull: null in place of any value is either refused, by the schema with the name of the value or by the chart
// in its own words, or renders manifests that an API server takes.
func TestNull(t *testing.T) {
	helm, admit := peer.Helm().File(t), admit(t)
	text, err := os.ReadFile(filepath.Join(chart(t), "values.yaml"))
	must(t, err)
	var paths []string
	var walk func(prefix string, o map[string]any)
	walk = func(prefix string, o map[string]any) {
		for name, value := range o {
			paths = append(paths, prefix+name)
			if below, ok := value.(map[string]any); ok {
				walk(prefix+name+".", below)
			}
		}
	}
	walk("", parse(t, text)[0])
	slices.Sort(paths)
	for _, path := range paths {
		for _, set := range []string{"everything", "forwarder"} {
			file := values(t)[set]
			out, complaint, err := run(t, nil, helm, "template", release, chart(t), "--values", file, "--set", path+"=null")
			name := path[strings.LastIndexByte(path, '.')+1:]
			if err != nil && (strings.Contains(complaint, "missing property '"+name+"'") || strings.Contains(complaint, "got null") ||
				strings.Contains(complaint, "minProperties: got 0") || strings.Contains(complaint, "execution error at (")) {
				continue
			}
			if err == nil {
				_, complaint, err = run(t, []byte(out), admit)
			}
			// Whoever takes a restriction away gets less than the Pod Security Standard.
			isContext := strings.Contains(strings.ToLower(path), "securitycontext.")
			if err != nil && (!isContext || !strings.Contains(complaint, "not restricted: ")) {
				t.Errorf("%s=null with %s: %v\n%s", path, set, err, complaint)
			}
		}
	}
}
