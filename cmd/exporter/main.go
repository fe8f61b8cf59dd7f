// Command exporter reads Cloud Foundry's metrics from Loggregator and exposes them to Prometheus.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

func main() {
	setVersion()
	os.Exit(execute(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// execute runs a command line and returns the exit status: 0, or that of a failure, which is told on stderr.
func execute(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteC()
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
	}
	switch {
	case err == nil:
		return 0
	case cmd.Name() == diffCommand && !errors.Is(err, errBreaks):
		return 2 // as of diff(1): jobs of CI tell trouble from what they look for
	default:
		return 1
	}
}
