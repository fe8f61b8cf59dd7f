//go:build deps

package main

import (
	_ "code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	_ "github.com/cloudfoundry/dropsonde"
	_ "github.com/cloudfoundry/sonde-go/events"
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/klauspost/compress/gzip"
	_ "github.com/prometheus/client_golang/prometheus"
	_ "github.com/prometheus/client_golang/prometheus/collectors"
	_ "github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/prometheus/client_golang/prometheus/collectors/version"
	_ "github.com/prometheus/client_golang/prometheus/testutil"
	_ "github.com/prometheus/client_model/go"
	_ "github.com/prometheus/common/expfmt"
	_ "github.com/prometheus/common/model"
	_ "github.com/prometheus/common/version"
	_ "github.com/prometheus/exporter-toolkit/web"
	_ "github.com/spf13/cobra"
	_ "github.com/spf13/viper"
	_ "github.com/spf13/pflag"
	_ "github.com/go-viper/mapstructure/v2"
	_ "go.uber.org/goleak"
	_ "go.yaml.in/yaml/v3"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/tools/txtar"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "golang.org/x/sys/unix"
	_ "google.golang.org/grpc"
	_ "google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/mem"
	_ "google.golang.org/protobuf/encoding/protowire"
	_ "pgregory.net/rapid"
)

func main() {}
