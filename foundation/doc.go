// Package foundation simulates a Cloud Foundry foundation of some sixty VMs that speaks the real protocols:
// components that emit dropsonde datagrams by UDP, agents that bring theirs into the shape of Loggregator v2, and a
// reverse log proxy that serves the gRPC API loggregator.v2.Egress with mutual TLS. The demo, tests and benchmarks
// read from it.
//
// Everything it sends follows from the seed, apart from timestamps, certificates and the order in which protobuf
// writes maps. It records the last envelopes that it sent, so that tests can compare a scrape with them.
package foundation
