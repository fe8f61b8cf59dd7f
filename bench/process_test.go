package bench

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/mem"
)

const (
	serverName = "reverselogproxy"
	addressEnv = "BENCH_ADDRESS" // set in a process that sends: to where
)

// TestMain plays the other side where a variable names the file of its certificate, so that its share of the
// processor is not counted.
func TestMain(m *testing.M) {
	for variable, play := range map[string]func(file string) error{
		serverEnv: serveRLP,
		httpsEnv:  serveHTTPS,
		agentEnv:  sendAsAgent,
		otlpEnv:   sendOTLP,
		syslogEnv: sendAsSyslogAgent,
		holdEnv:   holdAsSyslogAgent,
		udpEnv:    sendDatagrams,
		coldEnv:   sendCold,
		floorEnv:  readFloor,
	} {
		file := os.Getenv(variable)
		if file == "" {
			continue
		}
		if err := play(file); err != nil && !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// afterParent calls f when the process that started this one closes its standard input, or ends.
func afterParent(f func()) {
	go func() { _, _ = bufio.NewReader(os.Stdin).ReadByte(); f() }()
}

// sendByGRPC lets send use a connection with mutual TLS until the parent ends.
func sendByGRPC(file string, send func(ctx context.Context, conn *grpc.ClientConn) error) error {
	config, err := tlsConfig(file)
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(os.Getenv(addressEnv), grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	afterParent(cancel)
	return send(ctx, conn)
}

// raw hands messages through as bytes.
type raw struct{}

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}
func (raw) Unmarshal(data mem.BufferSlice, v any) error { *v.(*int) += data.Len(); return nil }
func (raw) Name() string                                { return "proto" }

// startServer starts this program again with a variable that says what to play.
func startServer(b *testing.B, variable string) (string, *tls.Config) {
	b.Helper()
	file, config := newCertificate(b)
	address, _ := startServerWith(b, variable, file)
	return address, config
}

// startServerWith does so with a certificate that is there already, and returns what ends it, too.
func startServerWith(b *testing.B, variable, file string) (address string, stop func()) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	_, stop = start(b, cmd, variable+"="+file)
	address, err = bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(address), stop
}

// startSender starts a process that sends to an address; variable says what it plays.
func startSender(b *testing.B, variable, file, address string) (stop func()) {
	b.Helper()
	_, stop = start(b, exec.Command(os.Args[0]), variable+"="+file, addressEnv+"="+address)
	return stop
}

// start starts a process with variables besides its own, until stop is called or the benchmark ends. It returns its
// standard input.
func start(b *testing.B, cmd *exec.Cmd, variables ...string) (stdin io.Writer, stop func()) {
	b.Helper()
	cmd.Env = append(os.Environ(), variables...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	stop = sync.OnceFunc(func() { _ = in.Close(); _ = cmd.Wait() })
	b.Cleanup(stop)
	return in, stop
}

// newCertificate makes one certificate that both sides present and trust, and returns its file and its configuration.
func newCertificate(b *testing.B) (string, *tls.Config) {
	b.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: serverName},
		DNSNames:              []string{serverName},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		b.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), "certificate.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		b.Fatal(err)
	}
	config, err := tlsConfig(file)
	if err != nil {
		b.Fatal(err)
	}
	return file, config
}

func tlsConfig(file string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(file, file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, err
	}
	pool.AddCert(leaf)
	return &tls.Config{
		Certificates: []tls.Certificate{pair}, RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		ServerName: serverName, MinVersion: tls.VersionTLS12,
	}, nil
}
