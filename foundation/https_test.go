package foundation

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/cloudfoundry/sonde-go/events"
	"github.com/coder/websocket"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// serveHTTPS starts a foundation with its gateway, traffic controller and UAA.
func serveHTTPS(t *testing.T, o HTTPSOptions) *Foundation {
	t.Helper()
	o.On = true
	f := newFoundation(t, Options{HTTPS: o, Now: time.Now})
	serve(t, f)
	return f
}

// serveInMemory is serveHTTPS for a bubble of synctest.
func serveInMemory(t *testing.T) *Foundation {
	t.Helper()
	f := newFoundation(t, Options{HTTPS: HTTPSOptions{On: true}, Network: &Memory{}, Now: time.Now})
	serve(t, f)
	return f
}

func client(t *testing.T, f *Foundation) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: f.RootCAs(), MinVersion: tls.VersionTLS12}}
	if f.options.Network != nil {
		transport.DialContext = f.options.Network.Dial
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// askUAA asks for a token and returns the status and the answer.
func askUAA(t *testing.T, f *Foundation, form url.Values) (int, map[string]any) {
	t.Helper()
	answer, err := client(t, f).PostForm(f.UAAURL()+"/oauth/token", form)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var body map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, body
}

func credentialsOf(f *Foundation) url.Values {
	id, secret := f.UAAClient()
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}
}

func token(t *testing.T, f *Foundation) string {
	t.Helper()
	status, body := askUAA(t, f, credentialsOf(f))
	token, _ := body["access_token"].(string)
	if status != http.StatusOK || token == "" {
		t.Fatal(status, body)
	}
	return token
}

// get asks the gateway; a caller that gets a stream reads and closes it.
func get(t *testing.T, f *Foundation, query, authorization string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.GatewayURL()+query, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", authorization)
	answer, err := client(t, f).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

// dialFirehose returns a websocket, or the status of the refusal.
func dialFirehose(t *testing.T, f *Foundation, authorization string) (*websocket.Conn, int) {
	t.Helper()
	conn, answer, err := websocket.Dial(t.Context(), f.FirehoseURL()+"/firehose/shard", &websocket.DialOptions{
		HTTPClient: client(t, f), HTTPHeader: http.Header{"Authorization": {authorization}},
	})
	if err != nil {
		if answer == nil {
			t.Fatal(err)
		}
		return nil, answer.StatusCode
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn, answer.StatusCode
}

func TestUAAGivesTokensToItsClientOnly(t *testing.T) {
	f := serveHTTPS(t, HTTPSOptions{})
	status, body := askUAA(t, f, credentialsOf(f))
	if status != 200 || body["token_type"] != "bearer" || body["expires_in"] != 43199.0 ||
		body["scope"] != "doppler.firehose uaa.resource" {
		t.Errorf("%d %v", status, body)
	}
	if n := strings.Count(body["access_token"].(string), "."); n != 2 {
		t.Errorf("a token of %d parts", n+1)
	}
	bad := credentialsOf(f)
	bad.Set("client_secret", "wrong")
	if status, body := askUAA(
		t,
		f,
		bad,
	); status != 401 || body["error"] != "unauthorized" ||
		body["access_token"] != nil {
		t.Errorf("%d %v", status, body)
	}
	bad = credentialsOf(f)
	bad.Set("grant_type", "password")
	if status, body := askUAA(t, f, bad); status != 401 || body["error"] != "invalid_client" {
		t.Errorf("%d %v", status, body)
	}
	f.SetUAAClient("wrong", "cloud_controller.read")
	bad = credentialsOf(f)
	if status, body := askUAA(t, f, bad); status != 200 || body["scope"] != "cloud_controller.read" {
		t.Errorf("%d %v", status, body)
	}
	if n := f.TokenRequests(); n != 4 {
		t.Errorf("%d requests", n)
	}
}

// The answers were measured on the real gateway and the real traffic controller.
func TestWhoGetsAStream(t *testing.T) {
	f := serveHTTPS(t, HTTPSOptions{})
	good := token(t, f)
	f.SetUAAClient("s", "cloud_controller.read")
	scopeless := token(t, f)
	f.SetUAAClient("s", "logs.admin")
	admin := token(t, f)
	f.SetUAAClient("s", "doppler.firehose")
	for _, c := range []struct {
		name, authorization string
		gateway, firehose   int
	}{
		{"token", "bearer " + good, 200, 101},
		{"bare token", good, 200, 401},
		{"capital", "Bearer " + good, 404, 401},
		{"no token", "", 404, 401},
		{"forged", "bearer " + good[:len(good)-2], 404, 401},
		{"no scope", "bearer " + scopeless, 404, 401},
		{"scope of the gateway only", "bearer " + admin, 200, 401},
	} {
		if got := get(t, f, "/v2/read?gauge", c.authorization).StatusCode; got != c.gateway {
			t.Errorf("%s: the gateway answers %d, want %d", c.name, got, c.gateway)
		}
		if _, got := dialFirehose(t, f, c.authorization); got != c.firehose {
			t.Errorf("%s: the traffic controller answers %d, want %d", c.name, got, c.firehose)
		}
	}
	if got := get(t, f, "/v2/read?shard_id=a", "bearer "+good).StatusCode; got != 400 {
		t.Errorf("without a type: %d", got)
	}
	f.RLPGone(true)
	answer := get(t, f, "/v2/read?gauge", "bearer "+good)
	if body, err := io.ReadAll(
		answer.Body,
	); answer.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), `"streaming_unavailable"`) ||
		err != nil {
		t.Errorf("without an RLP: %d %s %v", answer.StatusCode, body, err)
	}
	f.RLPGone(false)
	if got := get(t, f, "/v2/read?gauge", "bearer "+good).StatusCode; got != 200 {
		t.Errorf("with an RLP again: %d", got)
	}
	f.RevokeTokens()
	if got := get(t, f, "/v2/read?gauge", "bearer "+good).StatusCode; got != 404 {
		t.Errorf("a revoked token: %d", got)
	}
}

func TestTokensExpire(t *testing.T) {
	now := time.Unix(1795342433, 0)
	u := newUAA(time.Minute, func() time.Time { return now })
	token := u.sign(claims{ID: "a", Scope: []string{"doppler.firehose"}, Expires: now.Add(time.Minute).Unix()})
	if !u.allows(token, "doppler.firehose") {
		t.Error("a good token is refused")
	}
	now = now.Add(time.Minute)
	if u.allows(token, "doppler.firehose") {
		t.Error("an expired token is accepted")
	}
}

// eventLines reads so many lines of a stream.
func eventLines(t *testing.T, r *bufio.Reader, count int) string {
	t.Helper()
	var b strings.Builder
	for range count {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("%v after %q", err, b.String())
		}
		b.WriteString(line)
	}
	return b.String()
}

func TestGatewayEvents(t *testing.T) {
	f := serveHTTPS(t, HTTPSOptions{Heartbeat: time.Hour})
	answer := get(t, f, "/v2/read?gauge&counter&shard_id=a&deterministic_name=0", "bearer "+token(t, f))
	if got := answer.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("content of type %q", got)
	}
	await(t, f, 1)
	sent := gauge("router__0", "memoryStats.numBytesAllocated")
	f.Publish(sent)
	r := bufio.NewReader(answer.Body)
	data, ok := strings.CutPrefix(eventLines(t, r, 2), "data: ")
	text := strings.ReplaceAll(data, " ", "")
	if !ok || !strings.HasSuffix(data, "}]}\n\n") ||
		!strings.HasPrefix(
			text,
			`{"batch":[{"timestamp":"0","source_id":"router__0","instance_id":"","deprecated_tags":{},"tags":{`,
		) {
		t.Errorf("event %q", data)
	}
	var got loggregator_v2.EnvelopeBatch
	if err := protojson.Unmarshal(
		[]byte(data),
		&got,
	); err != nil || len(got.GetBatch()) != 1 ||
		!proto.Equal(got.GetBatch()[0], sent) {
		t.Errorf("%v %v", &got, err)
	}
	f.RLPGone(true)
	if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil {
		t.Errorf("after the RLP went: %q %v", rest, err)
	}
}

func TestGatewayHeartbeatsAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := serveInMemory(t)
		began := time.Now()
		r := bufio.NewReader(get(t, f, "/v2/read?gauge", "bearer "+token(t, f)).Body)
		for range 55 {
			began = began.Add(15 * time.Second)
			want := fmt.Sprintf("event: heartbeat\ndata: %d\n\n", began.Unix())
			if got := eventLines(t, r, 3); got != want || !time.Now().Equal(began) {
				t.Fatalf("%q at %v, want %q at %v", got, time.Now(), want, began)
			}
		}
		rest, err := io.ReadAll(r)
		began = began.Add(15 * time.Second)
		// The heartbeat that is due with the end comes before it or not at all.
		text := strings.TrimPrefix(string(rest), fmt.Sprintf("event: heartbeat\ndata: %d\n\n", began.Unix()))
		if text != "event: closing\ndata: closing due to stream timeout\n\n" || err != nil || !time.Now().Equal(began) {
			t.Errorf("%q %v at %v, want the end at %v", rest, err, time.Now(), began)
		}
	})
}

func readV1(t *testing.T, conn *websocket.Conn) *events.Envelope {
	t.Helper()
	kind, message, err := conn.Read(t.Context())
	var e events.Envelope
	if err := errors.Join(err, proto.Unmarshal(message, &e)); err != nil || kind != websocket.MessageBinary {
		t.Fatal(kind, err)
	}
	return &e
}

func TestFirehoseSendsV1(t *testing.T) {
	f := serveHTTPS(t, HTTPSOptions{})
	conn, _ := dialFirehose(t, f, "bearer "+token(t, f))
	await(t, f, 1)
	container := gauge("app", "cpu", "memory", "disk", "memory_quota", "disk_quota", "extra")
	timer := &v2{SourceId: "6ba7b810-9dad-11d1-80b4-00c04fd430c8", InstanceId: "3", Tags: map[string]string{
		"origin":      "gorouter",
		"request_id":  "6ba7b811-9dad-11d1-80b4-00c04fd430c8",
		"method":      "POST",
		"status_code": "404",
		"peer_type":   "Server",
	}, Message: &loggregator_v2.Envelope_Timer{Timer: &loggregator_v2.Timer{Name: "anything", Start: 1, Stop: 2}}}
	withoutID := proto.CloneOf(timer) // has no v1 form, and is lost
	delete(withoutID.Tags, "request_id")
	withoutID.Tags["status_code"] = "500"
	for _, e := range []*v2{gauge("a", "x", "y"), counter("b", "requests", 7), container, withoutID, timer} {
		f.Publish(e)
	}
	names := map[string]bool{}
	for range 2 {
		e := readV1(t, conn)
		names[e.GetValueMetric().GetName()] = e.GetOrigin() == "a" && e.GetTags()["source_id"] == "a" &&
			e.GetValueMetric().GetUnit() == "count"
	}
	if !names["x"] || !names["y"] {
		t.Errorf("one value metric for each: %v", names)
	}
	if e := readV1(t, conn); e.GetCounterEvent().GetTotal() != 7 || e.GetTags()["source_id"] != "b" {
		t.Errorf("%v", e)
	}
	if e := readV1(
		t,
		conn,
	); e.GetEventType() != events.Envelope_ContainerMetric || e.GetContainerMetric().GetApplicationId() != "app" ||
		e.GetContainerMetric().GetDiskBytesQuota() != 1 {
		t.Errorf("%v", e)
	}
	if h := readV1(
		t,
		conn,
	).GetHttpStartStop(); h.GetStatusCode() != 404 || h.GetMethod() != events.Method_POST || h.GetInstanceIndex() != 3 ||
		h.GetPeerType() != events.PeerType_Server {
		t.Errorf("%v", h)
	}
	if container.GetTags()["origin"] != "app" || len(timer.GetTags()) != 5 {
		t.Error("the conversion changed what others read")
	}
}

// A client that does not read is cut off, with no farewell.
func TestFirehoseCutsSlowConsumers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := serveInMemory(t)
		conn, _ := dialFirehose(t, f, "bearer "+token(t, f))
		await(t, f, 1)
		name := strings.Repeat("n", 10_000)
		for range 5000 { // more than what is on its way in a connection
			f.Publish(gauge("a", name))
		}
		began := time.Now()
		for n, changed := f.rlp.watch(); n > 0; n, changed = f.rlp.watch() {
			<-changed
		}
		if cut := time.Since(began); cut != 5*time.Second {
			t.Errorf("cut after %v", cut)
		}
		conn.SetReadLimit(1 << 20)
		for {
			if _, _, err := conn.Read(t.Context()); err != nil {
				if websocket.CloseStatus(err) != -1 {
					t.Error(err)
				}
				return
			}
		}
	})
}

func TestFirehosePings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := serveInMemory(t)
		var pinged []time.Duration
		authorization := "bearer " + token(t, f)
		began := time.Now()
		conn, _, err := websocket.Dial(t.Context(), f.FirehoseURL()+"/firehose/shard", &websocket.DialOptions{
			HTTPClient: client(t, f), HTTPHeader: http.Header{"Authorization": {authorization}},
			OnPingReceived: func(context.Context, []byte) bool {
				pinged = append(pinged, time.Since(began))
				return len(pinged) < 3 // then it plays dead
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.CloseNow() }()
		_, _, err = conn.Read(t.Context())
		if ended := time.Since(began); err == nil || ended != 2*time.Minute ||
			!slices.Equal(pinged, []time.Duration{30 * time.Second, time.Minute, 90 * time.Second}) {
			t.Errorf("%v after %v and pings after %v", err, ended, pinged)
		}
	})
}

func TestDownAndCut(t *testing.T) {
	f := serveHTTPS(t, HTTPSOptions{})
	good := "bearer " + token(t, f)
	conn, _ := dialFirehose(t, f, good)
	stream := get(t, f, "/v2/read?gauge", good)
	f.Cut()
	if _, _, err := conn.Read(t.Context()); err == nil {
		t.Error("the websocket was not cut")
	}
	if _, err := io.ReadAll(stream.Body); err == nil {
		t.Error("the stream was not cut")
	}
	f.Down(true)
	if _, err := client(t, f).Get(f.UAAURL()); err == nil {
		t.Error("UAA is not down")
	}
	f.Down(false)
	if got := get(t, f, "/v2/read?gauge", good).StatusCode; got != 200 {
		t.Error(got)
	}
	without := newFoundation(t, Options{})
	serve(t, without)
	if without.GatewayURL()+without.FirehoseURL()+without.UAAURL() != "" {
		t.Error("servers that nobody asked for")
	}
}
