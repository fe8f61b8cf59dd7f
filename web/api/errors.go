package api

import "net/http"

// ErrorType is the kind of an error, as in Prometheus' API.
type ErrorType string

// The types of errors.
const (
	// ErrorBadData says that the request cannot be understood: 400, or 413 and 415 where its body is the reason.
	ErrorBadData ErrorType = "bad_data"
	// ErrorNotFound says that what is asked for does not exist.
	ErrorNotFound ErrorType = "not_found"
	// ErrorTimeout says that the answer would have taken too long.
	ErrorTimeout ErrorType = "timeout"
	// ErrorUnavailable says that too many requests are being answered; Retry-After says when to ask again.
	ErrorUnavailable ErrorType = "unavailable"
	// ErrorInternal is a defect of the exporter.
	ErrorInternal ErrorType = "internal"
)

// Error is why a request has no answer. Its text says what is wrong and how to mend it.
type Error struct {
	Type ErrorType
	Text string
	// NearNames and NearMetrics are raw names and metrics that resemble one that does not exist.
	NearNames, NearMetrics []string

	status int // HTTP's, where the type does not decide it
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

// Status is HTTP's status code of the error.
func (e *Error) Status() int {
	if e.status != 0 {
		return e.status
	}
	switch e.Type {
	case ErrorBadData:
		return http.StatusBadRequest
	case ErrorNotFound:
		return http.StatusNotFound
	case ErrorTimeout, ErrorUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

func badData(text string) *Error { return &Error{Type: ErrorBadData, Text: text} }
