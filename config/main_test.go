package config

import (
	"os"
	"strings"
	"testing"
)

// TestMain takes away what the loader would read of the tests' own environment.
func TestMain(m *testing.M) {
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if name == portEnv || name == "KUBERNETES_SERVICE_HOST" || name == "BOSH_INSTANCE_INDEX" ||
			strings.HasPrefix(name, "VCAP_") ||
			strings.HasPrefix(name, "CF_INSTANCE_") || strings.HasPrefix(name, "LOGGREGATOR_EXPORTER_") {
			_ = os.Unsetenv(name)
		}
	}
	m.Run()
}
