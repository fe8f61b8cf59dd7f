package nozzle

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	status := m.Run()
	var leaks error
	for range 60 { // a busy machine ends later what is over
		if leaks = goleak.Find(); leaks == nil {
			os.Exit(status)
		}
	}
	fmt.Fprintln(os.Stderr, "goroutines that do not end:", leaks)
	os.Exit(1)
}
