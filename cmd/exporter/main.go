// Command exporter reads Cloud Foundry's metrics from Loggregator and exposes them to Prometheus.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	setVersion()
	os.Exit(execute(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// execute runs a command line and returns the exit status: 0, or 1 for every failure, which is told on stderr.
func execute(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.Execute(); err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}
