// Package remotewrite pushes what the store holds, and the exporter's own metrics, to an endpoint that speaks Prometheus'
// remote write, 1.0 or 2.0: for those whose storage is a cluster that does not scrape.
//
// A round reads every series once, encodes batches and puts them into a bounded queue; shards take them from there and send them.
// Neither a slow nor a dead receiver reaches back into the store: when the queue is full the oldest batches are dropped, and counted.
package remotewrite
