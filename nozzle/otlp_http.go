package nozzle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"

	"loggregator_exporter/nozzle/wire"
)

const (
	otlpProtobuf = "application/x-protobuf"
	otlpJSON     = "application/json"

	otlpHeaderTimeout = 10 * time.Second
	otlpIdleTimeout   = 2 * time.Minute
	otlpMaxHeader     = 16 << 10
	otlpRetryAfter    = "1" // seconds
)

// serveHTTP serves until ctx is done.
func (o *OTLP) serveHTTP(ctx context.Context, listener net.Listener) error {
	var running sync.WaitGroup
	mux := http.NewServeMux()
	for signal, s := range otlpServices {
		mux.HandleFunc(s.path, func(w http.ResponseWriter, r *http.Request) {
			running.Add(1)
			defer running.Done()
			o.handle(w, r, otlpSignal(signal))
		})
	}
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: otlpHeaderTimeout, ReadTimeout: o.timeout, IdleTimeout: otlpIdleTimeout,
		MaxHeaderBytes: otlpMaxHeader, ErrorLog: slog.NewLogLogger(o.log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	accept := o.clients
	accept.protocol, accept.level = "http/1.1", slog.LevelDebug
	err := server.Serve(accept.listen(ctx, listener))
	_ = server.Close()
	running.Wait() // Close does not
	if ctx.Err() != nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("nozzle.otlp: accept connections at %s: %w", o.http.addr, err)
}

// handle takes one request.
func (o *OTLP) handle(w http.ResponseWriter, r *http.Request, signal otlpSignal) {
	a := otlpAnswer{w: w, remote: r.RemoteAddr}
	if a.form, _, _ = mime.ParseMediaType(r.Header.Get("Content-Type")); a.form != otlpJSON {
		a.form = otlpProtobuf
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		a.fail(http.StatusMethodNotAllowed, codes.Unimplemented, "send a POST request")
		return
	}
	if !o.begin() {
		o.overloaded(r.RemoteAddr)
		a.retry(errOverload.Error())
		return
	}
	defer o.end()
	in := o.receivers.take()
	defer o.put(in)
	in.signal = signal
	if err := in.read(r, o.options.MaxRequestBytes); err != nil {
		o.refuseRequest(a, in, err)
		return
	}
	if a.form == otlpJSON {
		if err := o.takeJSON(r.Context(), in); err != nil {
			o.refuseRequest(a, in, err)
			return
		}
	} else if in.take(in.scratch); !in.ok {
		a.fail(http.StatusBadRequest, codes.InvalidArgument, "the request is not one of OTLP")
		return
	}
	a.succeed(in)
}

// errTooLarge and errUnsupported are why a request is not read.
var (
	errTooLarge    = errors.New("the request is longer than accepted")
	errUnsupported = errors.New("the request is in a form that is not supported")
)

// refuseRequest answers a request that could not be read.
func (o *OTLP) refuseRequest(a otlpAnswer, in *otlpReceiver, err error) {
	switch {
	case errors.Is(err, errTooLarge):
		o.oversized(a.remote, err)
		a.fail(http.StatusRequestEntityTooLarge, codes.ResourceExhausted, err.Error())
	case errors.Is(err, errUnsupported):
		o.clients.refused.add(reasonEncoding, "send application/x-protobuf or application/json, as it is or by gzip", err,
			"remote", a.remote)
		a.fail(http.StatusUnsupportedMediaType, codes.InvalidArgument, err.Error())
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.Canceled):
		a.retry(err.Error())
	default:
		in.intake.Unreadable(err.Error(), time.Now())
		a.fail(http.StatusBadRequest, codes.InvalidArgument, err.Error())
	}
}

// unpacker reads what is packed by gzip.
type unpacker struct{ *gzip.Reader }

func (u *unpacker) reset(packed io.Reader) (io.Reader, error) {
	if u.Reader == nil {
		var err error
		u.Reader, err = gzip.NewReader(packed)
		return u.Reader, err
	}
	return u.Reader, u.Reset(packed)
}

// read reads the body of a request into scratch, up to a limit of its unpacked size.
func (r *otlpReceiver) read(request *http.Request, limit int) error {
	form, _, err := mime.ParseMediaType(request.Header.Get("Content-Type"))
	if err != nil || form != otlpProtobuf && form != otlpJSON {
		return fmt.Errorf("%w: Content-Type %q", errUnsupported, request.Header.Get("Content-Type"))
	}
	body := io.Reader(request.Body)
	switch encoding := request.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
		if request.ContentLength > int64(limit) {
			return errTooLarge
		}
	case "gzip":
		if body, err = r.unpack.reset(body); err != nil {
			return fmt.Errorf("unpack the request: %w", err)
		}
	default:
		return fmt.Errorf("%w: Content-Encoding %q", errUnsupported, encoding)
	}
	body = io.LimitReader(body, int64(limit)+1)
	r.scratch = r.scratch[:0]
	for {
		if len(r.scratch) == cap(r.scratch) {
			r.scratch = append(r.scratch, 0)[:len(r.scratch)]
		}
		n, err := body.Read(r.scratch[len(r.scratch):cap(r.scratch)])
		r.scratch = r.scratch[:len(r.scratch)+n]
		switch {
		case len(r.scratch) > limit:
			return errTooLarge
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the request: %w", err)
		}
	}
}

// bytesPerObject is how many bytes of JSON there must be for each object. An object of two bytes becomes some hundred
// bytes of memory.
const bytesPerObject = 16

// takeJSON takes the request in scratch. As many requests at a time are converted as CPUs can do: more would only take
// memory.
func (o *OTLP) takeJSON(ctx context.Context, r *otlpReceiver) error {
	if bytes.Count(r.scratch, []byte("{")) > o.options.MaxRequestBytes/bytesPerObject {
		return fmt.Errorf("%w: it holds too many objects", errTooLarge)
	}
	select {
	case o.conversions <- struct{}{}:
		defer func() { <-o.conversions }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return r.takeJSON()
}

func (r *otlpReceiver) takeJSON() error {
	r.rejected, r.message, r.answer = 0, "", r.answer[:0]
	if r.signal != otlpMetrics {
		records, ok := wire.OTLPRecordsOfJSON(r.scratch)
		if !ok {
			return errors.New("the request is no OTLP in JSON")
		}
		r.intake.ignore(records, r.signal.event(), time.Now())
		return nil
	}
	request, err := wire.OTLPFromJSON(r.scratch)
	if err != nil {
		return err
	}
	r.take(request)
	return nil
}

// otlpAnswer answers a request in the form in which it came.
type otlpAnswer struct {
	w      http.ResponseWriter
	form   string
	remote string // address of the other side
}

func (a otlpAnswer) succeed(r *otlpReceiver) {
	if a.form == otlpProtobuf {
		a.write(http.StatusOK, r.answer)
		return
	}
	type partialSuccess struct {
		RejectedDataPoints string `json:"rejectedDataPoints"` // 64-bit numbers are text
		ErrorMessage       string `json:"errorMessage"`
	}
	var answer struct {
		PartialSuccess *partialSuccess `json:"partialSuccess,omitempty"`
	}
	if r.rejected > 0 {
		answer.PartialSuccess = &partialSuccess{strconv.FormatUint(r.rejected, 10), r.message}
	}
	a.writeJSON(http.StatusOK, answer)
}

// retry answers that the request is to be sent again.
func (a otlpAnswer) retry(message string) {
	a.w.Header().Set("Retry-After", otlpRetryAfter)
	a.fail(http.StatusServiceUnavailable, codes.Unavailable, message)
}

// fail answers with a google.rpc.Status: int32 code = 1; string message = 2.
func (a otlpAnswer) fail(code int, status codes.Code, message string) {
	if a.form == otlpJSON {
		a.writeJSON(code, struct {
			Code    codes.Code `json:"code"`
			Message string     `json:"message"`
		}{status, message})
		return
	}
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(status))
	a.write(code, protowire.AppendString(protowire.AppendTag(b, 2, protowire.BytesType), message))
}

func (a otlpAnswer) writeJSON(code int, v any) {
	b, _ := json.Marshal(v) // of strings and numbers
	a.write(code, b)
}

func (a otlpAnswer) write(code int, body []byte) {
	a.w.Header().Set("Content-Type", a.form)
	a.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	a.w.WriteHeader(code)
	_, _ = a.w.Write(body)
}
