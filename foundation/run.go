package foundation

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/cloudfoundry/sonde-go/events"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/proto"
)

// Listen opens the RLP's port on 127.0.0.1, any free one, and the socket that datagrams leave by. Serve and Run close
// them; without either, call Close.
func (f *Foundation) Listen() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listener != nil {
		return errors.New("foundation: already listening")
	}
	listener, err := f.options.listen()
	if err != nil {
		return fmt.Errorf("foundation: RLP: %w", err)
	}
	if f.options.HTTPS.On {
		if err := f.listenHTTPS(f.options.listen); err != nil {
			return errors.Join(err, listener.Close())
		}
	}
	if f.options.UDPAddress != "" {
		if f.udp, err = dialUDP(f.options.UDPAddress, f.options.Pace); err != nil {
			return errors.Join(fmt.Errorf("foundation: %w", err), listener.Close(), f.closeHTTPS())
		}
	}
	f.listener = listener
	return nil
}

// listen opens any free port.
func (o Options) listen() (net.Listener, error) {
	if o.Network != nil {
		return o.Network.Listen(), nil
	}
	return net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
}

// SendTo opens the socket that datagrams leave by, where Options.UDP promised an address.
func (f *Foundation) SendTo(address string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.options.UDP || f.udp != nil {
		return errors.New("foundation: SendTo is for a foundation with Options.UDP, once")
	}
	var err error
	if f.udp, err = dialUDP(address, f.options.Pace); err != nil {
		return fmt.Errorf("foundation: %w", err)
	}
	return nil
}

// Close closes what Listen opened. After Serve or Run it does nothing.
func (f *Foundation) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	if f.listener != nil {
		if err := f.listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if f.udp != nil {
		errs = append(errs, f.udp.close())
	}
	errs = append(errs, f.closeHTTPS())
	f.listener, f.udp = nil, nil
	return errors.Join(errs...)
}

// RLPAddress is where the RLP listens (host:port), or empty before Listen.
func (f *Foundation) RLPAddress() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listener == nil {
		return ""
	}
	return f.listener.Addr().String()
}

// AwaitReaders blocks until at least count streams are open at the RLP.
func (f *Foundation) AwaitReaders(ctx context.Context, count int) error {
	return f.rlp.await(ctx, func() bool { return len(f.rlp.readers) >= count })
}

// ReadersSoFar is how many streams were ever open at the RLP.
func (f *Foundation) ReadersSoFar() uint64 {
	f.rlp.mu.Lock()
	defer f.rlp.mu.Unlock()
	return f.rlp.joined
}

// AwaitSuccessor blocks until exactly one stream is open at the RLP, and that came later than those that were
// counted before. For a moment after a reader was cut off, its stream is still there, and what is sent may go to it.
func (f *Foundation) AwaitSuccessor(ctx context.Context, before uint64) error {
	return f.rlp.await(ctx, func() bool { return len(f.rlp.readers) == 1 && f.rlp.joined > before })
}

// AwaitRound blocks until Run has emitted a whole round to at least one reader of the RLP.
func (f *Foundation) AwaitRound(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-f.rounded:
		return nil
	}
}

// Serve answers the RLP's clients until ctx is done, and returns nil then. It emits nothing: together with Round it
// makes a foundation that moves by steps instead of by the clock. Listen comes first.
func (f *Foundation) Serve(ctx context.Context) error {
	return f.serve(ctx, func(context.Context) error { return nil })
}

// Run serves the RLP and emits until ctx is done, and returns nil then. The first round is emitted at once, and
// another one when the RLP gets its first reader; after that each VM emits at its own time within every interval,
// and HTTP requests are spread over it. Run calls Listen if it was not called.
func (f *Foundation) Run(ctx context.Context) error {
	if f.RLPAddress() == "" {
		if err := f.Listen(); err != nil {
			return err
		}
	}
	return f.serve(ctx, f.emit)
}

// serve runs the RLP and, beside it, emit; both end with ctx or with the first error of either.
func (f *Foundation) serve(ctx context.Context, emit func(context.Context) error) error {
	f.mu.Lock()
	listener := f.listener
	f.mu.Unlock()
	if listener == nil {
		return errors.New("foundation: Listen comes before Serve")
	}
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(f.serverTLS())),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
	)
	loggregator_v2.RegisterEgressServer(server, f.rlp)

	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(listener); err != nil && groupCtx.Err() == nil {
			return fmt.Errorf("foundation: RLP: %w", err)
		}
		return nil
	})
	if f.options.HTTPS.On {
		group.Go(func() error { return f.serveHTTPS(groupCtx, f.httpsTLS()) })
	}
	group.Go(func() error {
		if err := emit(groupCtx); err != nil && groupCtx.Err() == nil {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-groupCtx.Done()
		server.Stop()
		return nil
	})
	return errors.Join(group.Wait(), f.Close())
}

// emit lets the VMs emit by the clock until ctx is done.
func (f *Foundation) emit(ctx context.Context) error {
	readers, changed := f.rlp.watch()
	if err := f.firstRound(ctx, readers); err != nil {
		return err
	}
	step := max(f.options.Interval/time.Duration(len(f.machines)), time.Microsecond)
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			before := readers
			if readers, changed = f.rlp.watch(); before == 0 && readers > 0 {
				if err := f.firstRound(ctx, readers); err != nil {
					return err
				}
			}
		case <-ticker.C:
			if err := f.step(ctx, step); err != nil {
				return err
			}
		}
	}
}

// firstRound emits a round. If the RLP had a reader, it releases the callers of AwaitRound.
func (f *Foundation) firstRound(ctx context.Context, readers int) error {
	if err := f.Round(ctx); err != nil {
		return err
	}
	if readers > 0 {
		f.round.Do(func() { close(f.rounded) })
	}
	return nil
}

// step lets the next VM emit, and emits the HTTP requests of the elapsed time.
func (f *Foundation) step(ctx context.Context, elapsed time.Duration) error {
	f.emitting.Lock()
	defer f.emitting.Unlock()
	out, err := f.outlet(ctx)
	if err != nil {
		return err
	}
	now := f.options.Now()
	m := f.machines[f.next]
	f.next = (f.next + 1) % len(f.machines)
	if err := f.traffic.serve(out, now, f.options.RequestsPerSecond, elapsed); err != nil {
		return err
	}
	if err := m.emit(out, now.UnixNano(), f.options.Interval.Seconds()); err != nil {
		return err
	}
	return f.bursts.release(ctx, true, f.rlp.publish)
}

// Round emits one whole round now, back to back: the HTTP requests of one interval, then every metric of every VM
// once. It returns when everything has been handed to the socket and to the buffers of the RLP's readers, which hold
// 10,000 envelopes each. It needs no clock, so that tests and benchmarks can go step by step.
func (f *Foundation) Round(ctx context.Context) error {
	f.emitting.Lock()
	defer f.emitting.Unlock()
	out, err := f.outlet(ctx)
	if err != nil {
		return err
	}
	now := f.options.Now()
	if err := f.traffic.serve(out, now, f.options.RequestsPerSecond, f.options.Interval); err != nil {
		return err
	}
	for _, m := range f.machines {
		if err := m.emit(out, now.UnixNano(), f.options.Interval.Seconds()); err != nil {
			return err
		}
	}
	return f.bursts.release(ctx, false, f.rlp.publish)
}

// outlet returns an outlet that is valid for as long as ctx. Its callers hold emitting.
func (f *Foundation) outlet(ctx context.Context) (outlet, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.options.hasUDP() && f.udp == nil {
		return outlet{}, errors.New("foundation: Listen, or SendTo, comes before anything is emitted by UDP")
	}
	out := outlet{
		ctx: ctx, udp: f.udp, rlp: f.rlp, ledger: &f.ledger,
		forwarder: f.options.Forwarder, otlp: f.options.OTLP, syslog: f.options.Syslog,
	}
	if f.options.Agents.Reorder {
		out.bursts = &f.bursts
	}
	return out, nil
}

// outlet hands the envelopes of one round to the protocols by which the VMs send.
type outlet struct {
	ctx    context.Context //nolint:containedctx // an outlet is the parameter of one call, passed down
	udp    *datagrams
	rlp    *rlp
	ledger *ledger

	forwarder *Forwarder
	otlp      *OTLPAgent
	syslog    *SyslogAgent
	bursts    *bursts // nil where agents keep the order
}

// legacy takes an envelope as dropsonde emits it, and keeps nothing of it.
func (o outlet) legacy(m *machine, e *events.Envelope) error {
	if m.Path != UDP {
		o.forward(m, m.agent.convert(e))
		return nil
	}
	datagram, err := proto.Marshal(e)
	if err != nil {
		return fmt.Errorf("foundation: dropsonde envelope: %w", err)
	}
	o.ledger.record(UDP, m.agent.convert(e))
	return o.udp.send(o.ctx, datagram)
}

// native takes an envelope as a client of Loggregator v2 emits it to its agent.
func (o outlet) native(m *machine, e *loggregator_v2.Envelope) {
	m.agent.total(e)
	o.forward(m, e)
}

// forward takes an envelope from the agent of a VM to where that sends it.
func (o outlet) forward(m *machine, e *loggregator_v2.Envelope) {
	o.ledger.record(m.Path, e)
	switch {
	case m.Path == Ingress:
		o.forwarder.Emit(e)
	case m.Path == OTLP:
		o.otlp.Emit(e)
	case m.Path == Syslog:
		o.syslog.Emit(e)
	case o.bursts != nil:
		o.bursts.add(m, e)
	default:
		o.rlp.publishBy(m.doppler, e)
	}
}
