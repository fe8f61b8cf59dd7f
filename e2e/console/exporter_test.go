package console

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/cloudfoundry/sonde-go/events"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/e2e/deploy/service"
	"loggregator_exporter/e2e/peer"
)

// running is an exporter that takes datagrams, and a component that sends them.
type running struct {
	web       string
	addresses []string // of what else it listens at
	component net.Conn
}

// startExporter runs an exporter with a configuration that enables nozzle.udp, and finds what else it says.
func startExporter(t *testing.T, config string, patterns ...string) *running {
	t.Helper()
	file := filepath.Join(t.TempDir(), "exporter.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	program := peer.Exporter(t, "-X main.eventsLast="+eventsLast.String())
	found := service.Start(t, exec.Command(program, "run", "--config", file), append([]string{
		`Listening on.* address=(\S+)`, `listening for dropsonde.* address=(\S+)`,
	}, patterns...)...).Found
	conn, err := net.Dial("udp", found[1])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &running{web: found[0], addresses: found[2:], component: conn}
}

// value is a gauge as a component sends it.
func value(origin, name string, tags map[string]string) *events.Envelope {
	return &events.Envelope{
		Origin: new(origin), EventType: events.Envelope_ValueMetric.Enum(), Timestamp: new(time.Now().UnixNano()), Tags: tags,
		ValueMetric: &events.ValueMetric{Name: new(name), Value: new(1.5), Unit: new("count")},
	}
}

// counter is a counter as a component sends it.
func counter(origin, name string, delta, total uint64) *events.Envelope {
	return &events.Envelope{
		Origin: new(origin), EventType: events.Envelope_CounterEvent.Enum(), Timestamp: new(time.Now().UnixNano()),
		CounterEvent: &events.CounterEvent{Name: new(name), Delta: new(delta), Total: new(total)},
	}
}

func (r *running) send(t *testing.T, envelopes ...*events.Envelope) {
	t.Helper()
	for _, e := range envelopes {
		data, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.component.Write(data); err != nil {
			t.Fatal(err)
		}
	}
}

// writeCertificate writes a certificate that has signed itself, and its key, and returns their files.
func writeCertificate(t *testing.T, dir string, end time.Time) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "metron"}, DNSNames: []string{"metron"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: end, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: signed}, key: {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
