package foundation

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"loggregator_exporter/metric"
)

func TestOnlyClientsOfTheAuthorityGetIn(t *testing.T) {
	f := newFoundation(t, Options{})
	serve(t, f)
	foreign := newFoundation(t, Options{})
	other, err := f.authority.issue("someone")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*tls.Config)
		want   codes.Code
	}{
		"any client of the authority": {func(c *tls.Config) { c.Certificates = []tls.Certificate{other} }, codes.InvalidArgument},
		"no certificate":              {func(c *tls.Config) { c.Certificates = nil }, codes.Unavailable},
		"foreign certificate":         {func(c *tls.Config) { c.Certificates = []tls.Certificate{foreign.client} }, codes.Unavailable},
		"wrong server name":           {func(c *tls.Config) { c.ServerName = "doppler" }, codes.Unavailable},
		"foreign authority":           {func(c *tls.Config) { c.RootCAs = foreign.authority.pool }, codes.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			config := f.ClientTLS()
			tt.change(config)
			stream, err := dial(t, f, config).BatchedReceiver(t.Context(), &loggregator_v2.EgressBatchRequest{})
			if err == nil {
				_, err = stream.Recv() // a client that gets in is refused since it has no selectors
			}
			if status.Code(err) != tt.want {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

func TestClientFilesOpenTheRLP(t *testing.T) {
	f := newFoundation(t, Options{})
	serve(t, f)
	files, err := f.WriteClientFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	creds, err := credentials.NewClientTLSFromFile(files.CA, ServerName)
	if err != nil ||
		creds.Info().ServerName != ServerName { //nolint:staticcheck // ServerName tells what the file was loaded for
		t.Fatalf("%v %v", creds, err)
	}
	config := f.ClientTLS()
	config.Certificates = []tls.Certificate{pair}
	stream, err := dial(t, f, config).BatchedReceiver(t.Context(), &loggregator_v2.EgressBatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.InvalidArgument {
		t.Errorf("%v: not let in, to be refused for want of selectors", err)
	}
	if _, err := f.WriteClientFiles("/nowhere"); err == nil {
		t.Error("files were written to a folder that does not exist")
	}
}

// A stopped foundation leaves its port and its readers.
func TestRunEndsWithItsContext(t *testing.T) {
	network := &Memory{} // where nobody else can get the port
	f := newFoundation(t, Options{Now: time.Now, Network: network})
	ctx, cancel := context.WithCancel(t.Context())
	if err := f.Listen(); err != nil {
		t.Fatal(err)
	}
	address := f.RLPAddress()
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	stream := subscribe(t, f, &loggregator_v2.EgressBatchRequest{Selectors: everything(), UsePreferredTags: true})
	// The round that greets the first reader, a quarter of a minute before the next one.
	if got := receiveSome(t, stream); got.GetSourceId() == "" && got.GetTags()["origin"] != "" {
		t.Errorf("envelope %v", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	for {
		if _, err := stream.Recv(); err != nil {
			break
		}
	}
	if conn, err := network.Dial(t.Context(), "tcp", address); err == nil {
		t.Errorf("the port is still open: %v", conn.Close())
	}
	if len(f.Sent()) == 0 || f.RLPAddress() != "" {
		t.Errorf("%d metrics sent, listening at %q", len(f.Sent()), f.RLPAddress())
	}
	for _, s := range f.Sent() {
		if s.Kind == metric.KindNone {
			t.Fatalf("%+v", s)
		}
	}
}

func receiveSome(t *testing.T, stream loggregator_v2.Egress_BatchedReceiverClient) *v2 {
	t.Helper()
	batch, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return batch.GetBatch()[0]
}
