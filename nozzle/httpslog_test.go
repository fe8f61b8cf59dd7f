package nozzle

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
)

// testLog hands lines to a test, as newTestLog does, and keeps all of them as text.
type testLog struct {
	log   *slog.Logger
	lines chan logLine
	kept  *keptLines
}

type keptLines struct {
	mu   sync.Mutex
	text []string
}

func newRecordingLog() *testLog {
	inner, lines := newTestLog()
	kept := &keptLines{}
	return &testLog{slog.New(keepingHandler{inner.Handler(), kept}), lines, kept}
}

func (l *testLog) all() []string {
	l.kept.mu.Lock()
	defer l.kept.mu.Unlock()
	return append([]string{}, l.kept.text...)
}

type keepingHandler struct {
	slog.Handler
	kept *keptLines
}

func (h keepingHandler) Handle(ctx context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		return true
	})
	h.kept.mu.Lock()
	h.kept.text = append(h.kept.text, text)
	h.kept.mu.Unlock()
	return h.Handler.Handle(ctx, r)
}

func (h keepingHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return keepingHandler{h.Handler.WithAttrs(attrs), h.kept}
}
