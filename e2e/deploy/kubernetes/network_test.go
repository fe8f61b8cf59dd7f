package kubernetes

import (
	"strings"
	"testing"
)

// TestScrapers: by default only the pods of the namespace monitoring may scrape, and the chart's own test.
func TestScrapers(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "[map[namespaceSelector:map[matchLabels:map[kubernetes.io/metadata.name:monitoring]]] " +
			"map[podSelector:map[matchLabels:map[loggregator-exporter/test:loggregator-exporter]]]]"},
		{
			[]string{"--set-json", `networkPolicy.ingressFrom=[{"namespaceSelector":{"matchLabels":{"team":"observers"}}}]`},
			"[map[namespaceSelector:map[matchLabels:map[team:observers]]] " +
				"map[podSelector:map[matchLabels:map[loggregator-exporter/test:loggregator-exporter]]]]",
		},
		{[]string{"--set-json", "networkPolicy.ingressFrom=[]"}, "<nil>"},
	} {
		policy := find(t, parse(t, render(t, append([]string{"--values", values(t)["least"]}, c.args...)...)), "NetworkPolicy", "")
		if got := text(policy.get("spec", "ingress", 0, "from")); got != c.want {
			t.Errorf("%v: %s, want %s", c.args, got, c.want)
		}
	}
}

// TestSenders: agents and collectors reach the ports that the configuration has, from where the values say, and only
// where it has some.
func TestSenders(t *testing.T) {
	for name, want := range map[string]string{
		"least":  "",
		"syslog": "LoadBalancer Local [map[name:syslog port:6067 protocol:TCP targetPort:syslog]] from <nil>",
		"collectors": "NodePort Local [map[name:otlp-grpc port:14317 protocol:TCP targetPort:otlp-grpc] " +
			"map[name:otlp-http port:14318 protocol:TCP targetPort:otlp-http] map[name:syslog port:6067 protocol:TCP targetPort:syslog]] " +
			"from [map[ipBlock:map[cidr:10.0.0.0/8]]]",
	} {
		objects := parse(t, render(t, "--values", values(t)[name]))
		policy := find(t, objects, "NetworkPolicy", "")
		got := ""
		for _, o := range objects {
			if o.kind() == "Service" && strings.HasSuffix(o.text("metadata", "name"), "-receiver") {
				got += o.text("spec", "type") + " " + o.text("spec", "externalTrafficPolicy") + " " + text(o.get("spec", "ports")) +
					" from " + text(policy.get("spec", "ingress", 1, "from"))
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if rules := len(policy.list("spec", "ingress")); (rules == 2) != (want != "") {
			t.Errorf("%s: the NetworkPolicy has %d rules for what comes in", name, rules)
		}
	}
}

// TestEgress: the ports that the NetworkPolicy opens are those that the configuration needs.
func TestEgress(t *testing.T) {
	for name, want := range map[string]string{
		"least": "53 53 8082", "push": "53 53 8080 8082", "gateway": "53 53 443", "everything": "53 53 4443 8082 8443 3128",
		"syslog": "53 53",
	} {
		var got []string
		for _, rule := range find(t, parse(t, render(t, "--values", values(t)[name])), "NetworkPolicy", "").list("spec", "egress") {
			for _, port := range rule.list("ports") {
				got = append(got, text(port.get("port")))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
	}
}
