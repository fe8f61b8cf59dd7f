package gather

import (
	"os"
	"testing"

	"loggregator_exporter/internal/leaks"
)

func TestMain(m *testing.M) { os.Exit(leaks.Check(m.Run())) }
