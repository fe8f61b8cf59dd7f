#!/usr/bin/env bash
# OpenTelemetry Collector, config/configgrpc v0.153.0 (the version in otel-collector-release 0.11.9).
#
# A gRPC client of the collector whose name has several addresses sends each request to another of them, since the
# default configuration sets the balancer round_robin; gRPC's own default is pick_first, which keeps to one. So the
# points of one series come to all receivers behind a name in turns. With balancer_name: pick_first they come to one.
#
# Seen: default round_robin 500 500
#       set     pick_first  1000 0
set -euo pipefail

folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"

cat > go.mod <<'EOF'
module finding

go 1.26

require (
	go.opentelemetry.io/collector/component/componenttest v0.153.0
	go.opentelemetry.io/collector/config/configgrpc v0.153.0
	go.opentelemetry.io/collector/pdata v1.59.0
	google.golang.org/grpc v1.81.1
)
EOF

cat > main.go <<'EOF'
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"sync/atomic"

	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configgrpc"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

type receiver struct {
	pmetricotlp.UnimplementedGRPCServer
	requests atomic.Int64
}

func (r *receiver) Export(context.Context, pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	r.requests.Add(1)
	return pmetricotlp.NewExportResponse(), nil
}

func main() {
	name := manual.NewBuilderWithScheme("receivers")
	var receivers [2]receiver
	var addresses []resolver.Address
	for i := range receivers {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			log.Fatal(err)
		}
		server := grpc.NewServer()
		pmetricotlp.RegisterGRPCServer(server, &receivers[i])
		go server.Serve(listener)
		addresses = append(addresses, resolver.Address{Addr: listener.Addr().String()})
	}
	name.InitialState(resolver.State{Addresses: addresses})
	resolver.Register(name)

	for _, balancer := range []string{"", "pick_first"} {
		config := configgrpc.NewDefaultClientConfig()
		config.Endpoint = "receivers:///both"
		config.TLS.Insecure = true
		how := "default"
		if balancer != "" {
			how, config.BalancerName = "set    ", balancer
		}
		connection, err := config.ToClientConn(context.Background(), nil, componenttest.NewNopTelemetrySettings())
		if err != nil {
			log.Fatal(err)
		}
		client := pmetricotlp.NewGRPCClient(connection)
		send := func() {
			if _, err := client.Export(context.Background(), pmetricotlp.NewExportRequest(), grpc.WaitForReady(true)); err != nil {
				log.Fatal(err)
			}
		}
		// The balancer connects to the addresses one after the other: wait until it has done what it does.
		for i := 0; i < 100_000 && (receivers[0].requests.Load() == 0 || receivers[1].requests.Load() == 0); i++ {
			send()
			if balancer == "pick_first" && i > 1000 {
				break
			}
		}
		receivers[0].requests.Store(0)
		receivers[1].requests.Store(0)
		for range 1000 {
			send()
		}
		more, less := receivers[0].requests.Load(), receivers[1].requests.Load()
		fmt.Printf("%s %-11s %d %d\n", how, config.BalancerName, max(more, less), min(more, less))
		connection.Close()
		receivers[0].requests.Store(0)
		receivers[1].requests.Store(0)
	}
}
EOF

seen=$(GOFLAGS=-mod=mod GOWORK=off go run . 2> err) || { cat err >&2; exit 1; }
wanted='default round_robin 500 500
set     pick_first  1000 0'
echo "$seen"
[ "$seen" = "$wanted" ] || { echo "this is no longer so; it was:"; echo "$wanted"; exit 1; }
