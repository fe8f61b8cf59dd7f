package nozzle

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"loggregator_exporter/internal/throttle"
	"loggregator_exporter/nozzle/gather"
)

// UDPOptions configure the dropsonde UDP source.
type UDPOptions struct {
	Enabled       bool   `mapstructure:"enabled"`
	ListenAddress string `mapstructure:"listen_address"`
	// ReceiveBufferBytes is asked of the kernel; 0 leaves the buffer as it is.
	ReceiveBufferBytes int `mapstructure:"receive_buffer_bytes"`
}

const nameUDP = "udp"

// UDP receives dropsonde envelopes, one a datagram, from the components of a VM: it stands in the place of
// Loggregator's agent. It is connected as long as it listens.
type UDP struct {
	sourceBase
	port
	options UDPOptions
	drops   udpDrops
}

// newUDP makes a source that listens from Run on, which is called once. The options have been checked.
func newUDP(options UDPOptions, env *Env) (*UDP, error) {
	u := &UDP{sourceBase: env.newBase(nameUDP), port: newPort(), options: options}
	u.drops.log = u.log
	return u, u.drops.register(env.Ledger)
}

// Run implements Source. It fails where the address cannot be listened on, and where the socket breaks.
func (u *UDP) Run(ctx context.Context) error {
	conn, err := u.listen(ctx)
	if err != nil {
		u.fail(err)
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	address := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	buffer, err := receiveBuffer(conn)
	if err != nil {
		buffer = 0
	}
	var datagrams *gather.Datagrams
	from := func() string { return datagrams.From().String() }
	intake := &datagramIntake{Intake: u.env.intake(u.account, intakeOptions{from: from})}
	datagrams = gather.NewDatagrams(conn, buffer, intake.flush)
	defer datagrams.Close()
	stop := context.AfterFunc(ctx, datagrams.Close)
	defer stop()

	u.account.Connect()
	defer u.account.Disconnect()
	u.open(address)
	u.log.Info("listening for dropsonde envelopes", "address", u.addr.String())

	u.drops.open(receiveDrops(datagrams))
	if err := u.receive(datagrams, intake); ctx.Err() == nil {
		return err
	}
	return nil
}

func (u *UDP) listen(ctx context.Context) (*net.UDPConn, error) {
	var config net.ListenConfig
	packets, err := config.ListenPacket(ctx, "udp", u.options.ListenAddress)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("another process, such as the VM's loggr-udp-forwarder, has the port; choose another, or read "+
				"as the forwarder agent's downstream (nozzle.ingress): %w", err)
		}
		return nil, fmt.Errorf("nozzle.udp.listen_address: cannot listen on %s: %w", u.options.ListenAddress, err)
	}
	conn, ok := packets.(*net.UDPConn)
	if !ok {
		_ = packets.Close()
		return nil, fmt.Errorf("nozzle.udp.listen_address: %s is not a UDP address", u.options.ListenAddress)
	}
	u.enlargeBuffer(conn)
	return conn, nil
}

// enlargeBuffer asks for the receive buffer. With less the source works, and loses datagrams in bursts.
func (u *UDP) enlargeBuffer(conn *net.UDPConn) {
	asked := u.options.ReceiveBufferBytes
	if asked == 0 {
		return
	}
	if err := conn.SetReadBuffer(asked); err != nil {
		u.log.Warn("cannot set the receive buffer: bursts of datagrams may be lost", "asked_bytes", asked, "error", err)
		return
	}
	granted, err := receiveBuffer(conn)
	switch {
	case err != nil:
		u.log.Warn("cannot read the receive buffer's size back", "asked_bytes", asked, "error", err)
	case granted < asked:
		u.log.Warn("the kernel gives a smaller receive buffer than asked for: bursts of datagrams may be lost",
			"asked_bytes", asked, "granted_bytes", granted, "remedy", fmt.Sprintf("sysctl -w net.core.rmem_max=%d", asked))
	}
}

// datagramIntake takes the datagrams that are at hand as one batch.
type datagramIntake struct {
	*Intake
	taken   int // since the last flush
	arrived time.Time
}

// maxDatagrams is how many datagrams are one batch: where they come faster than they can be taken there are always some
// at hand.
const maxDatagrams = 100

func (i *datagramIntake) take(datagram []byte, arrived time.Time) (ok bool) {
	if i.taken == maxDatagrams {
		i.flush()
	}
	i.taken, i.arrived = i.taken+1, arrived
	return i.Datagram(datagram, arrived)
}

func (i *datagramIntake) flush() {
	if i.taken > 0 {
		i.Flush(i.arrived)
		i.taken = 0
	}
}

// receive reads until the socket is closed or breaks.
func (u *UDP) receive(datagrams *gather.Datagrams, intake *datagramIntake) error {
	defer intake.flush()
	var garbage throttle.Throttle
	for {
		datagram, err := datagrams.Next()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("nozzle.udp: receive on %s: %w", u.addr, err)
		}
		now := time.Now()
		u.drops.report(now)
		if intake.take(datagram, now) {
			continue
		}
		if count, due := garbage.Add(now); due {
			u.log.Warn("malformed datagram: not a dropsonde envelope",
				"remote", datagrams.From().String(), "bytes", len(datagram), "malformed_since_last_report", count)
		}
	}
}
