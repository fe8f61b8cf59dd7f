package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"loggregator_exporter/config"
	"loggregator_exporter/foundation"
)

const (
	demoSeed              = 1
	demoRequestsPerSecond = 50
)

func newDemo() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the exporter on a simulated foundation",
		Long: "Starts a simulated foundation of some 60 VMs and the exporter beside it, in one process, over the\n" +
			"real protocols: dropsonde datagrams for some VMs, a forwarder agent, OTLP and a syslog agent for one\n" +
			"each, the reverse log proxy's gRPC stream with mutual TLS for the others. Everything is on the\n" +
			"loopback interface, certificates are made at start, and no file is written.\n\n" +
			"Filters, rules, names, web server and log can be set as for exporter run; rules and names can be\n" +
			"reloaded. What says where to read from, and remote write, cannot be set. By default the demo serves\n" +
			"at 127.0.0.1:9286 (port 0 takes any free one), sets the label environment to demo, and logs warnings\n" +
			"only.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, warnings, err := loadDemo(cmd.Flags())
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop)
			tuneGC()
			d := demo{flags: cmd.Flags(), settings: cfg, out: cmd.OutOrStdout(), log: newLogger(cfg.Log, cmd.ErrOrStderr())}
			for _, w := range warnings {
				d.log.Warn("configuration", "warning", w)
			}
			return d.run(ctx)
		},
	}
	addDemoFlags(cmd.Flags())
	return cmd
}

// demo is a simulated foundation and the exporter that reads it.
type demo struct {
	flags    *pflag.FlagSet
	settings *config.Config // those of the user
	out      io.Writer
	log      *slog.Logger
	began    time.Time
	agent    *foundation.Forwarder   // of the VM that feeds the ingress source
	otlp     *foundation.OTLPAgent   // of the VM that feeds the OTLP source
	syslog   *foundation.SyslogAgent // of the VM that feeds the syslog source
}

func (d *demo) run(ctx context.Context) error {
	d.began = time.Now()
	d.agent = foundation.NewForwarder(foundation.ForwarderOptions{})
	d.otlp = foundation.NewOTLPAgent(foundation.OTLPAgentOptions{Retries: true})
	d.syslog = foundation.NewSyslogAgent(foundation.SyslogAgentOptions{Drain: foundation.DrainAll})
	f, err := foundation.New(foundation.Options{
		Seed: demoSeed, RequestsPerSecond: demoRequestsPerSecond, UDP: true, Forwarder: d.agent,
		OTLP: d.otlp, Syslog: d.syslog,
	})
	if err != nil {
		return err
	}
	d.say("a foundation of %d VMs and %d apps is made, with certificates of its own", len(f.Inventory()), len(f.Apps()))
	if err := f.Listen(); err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	d.say("its reverse log proxy listens at %s (gRPC, mutual TLS)", f.RLPAddress())

	group, ctx := errgroup.WithContext(ctx)
	started := make(chan running, 1)
	group.Go(func() error {
		return serve(ctx, demoConfig(d.settings, f), d.log, hooks{
			started: func(r running) { started <- r },
			load: func() (*config.Config, error) {
				settings, _, err := loadDemo(d.flags)
				if err != nil {
					return settings, err
				}
				return demoConfig(settings, f), nil
			},
		})
	})
	group.Go(func() error {
		select {
		case <-ctx.Done():
			return nil
		case r := <-started:
			return d.play(ctx, f, r)
		}
	})
	return group.Wait()
}

// play lets the foundation run, now that the exporter is there to read it.
func (d *demo) play(ctx context.Context, f *foundation.Foundation, r running) error {
	d.say("the exporter serves at %s, takes datagrams at %s, a forwarder agent's envelopes at %s, OTLP at %s and syslog "+
		"at %s",
		r.Web, r.Listening["udp"], r.Listening["ingress"], r.Listening["otlp"], r.Listening["syslog"])
	d.agent.Connect(f.ForwarderTLS(), int(r.Listening["ingress"].Port()))
	d.syslog.Connect(f.SyslogAgentTLS(), r.Listening["syslog"].String())
	d.otlp.Connect(f.OTLPClientTLS(), int(r.Listening["otlp"].Port()))
	if err := f.SendTo(r.Listening["udp"].String()); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return f.Run(ctx) })
	group.Go(func() error { return d.agent.Run(ctx) })
	group.Go(func() error { return d.otlp.Run(ctx) })
	group.Go(func() error { return d.syslog.Run(ctx) })
	group.Go(func() error {
		if err := f.AwaitRound(ctx); err != nil {
			return ignoreDone(ctx, err)
		}
		stats := r.Store.Stats()
		d.say("every VM has sent its metrics: %d series in %d families so far", stats.Series, stats.Families)
		return d.table(r.Web)
	})
	return group.Wait()
}

func ignoreDone(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// say prints a line of progress with the time since the start.
func (d *demo) say(format string, args ...any) {
	_, _ = fmt.Fprintf(d.out, "%5.1fs  %s\n", time.Since(d.began).Seconds(), fmt.Sprintf(format, args...))
}

// table says what there is to open.
func (d *demo) table(addr net.Addr) error {
	at := addr.String()
	if tcp, ok := addr.(*net.TCPAddr); ok && (tcp.IP.IsLoopback() || tcp.IP.IsUnspecified()) {
		at = net.JoinHostPort("localhost", strconv.Itoa(tcp.Port))
	}
	page := "curl -s " + at + d.settings.Web.TelemetryPath
	var b strings.Builder
	b.WriteString("\nTry these while it runs; Ctrl-C stops it.\n\n")
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	for _, row := range [][2]string{
		{"everything, in a browser", fmt.Sprintf("http://%s/", at)},
		{"the memory of all components as one metric", page + " | grep 'num_bytes_allocated{'"},
		{"what became of every envelope and sample", page + " | grep '^loggregator_exporter_'"},
		{"how a name is parsed, step by step", "go run ./cmd/exporter explain router__0.memoryStats.numBytesAllocated"},
		{"for Prometheus", fmt.Sprintf("static_configs: [{targets: [%q]}]", at)},
	} {
		_, _ = fmt.Fprintf(w, "  %s\t%s\n", row[0], row[1])
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(d.out, b.String())
	return err
}
