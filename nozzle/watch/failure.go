package watch

// Why a stream has to be opened again.
const (
	ReasonUnreachable       = "unreachable"        // no connection: refused, timed out, no such host
	ReasonServerCertificate = "server_certificate" // not signed by our CA, or out of date
	ReasonServerName        = "server_name"        // the certificate is for another name
	ReasonClientCertificate = "client_certificate" // the server turned ours away
	ReasonTLS               = "tls"                // any other failure of the handshake
	ReasonCertificateFiles  = "certificate_files"  // our own cannot be read
	ReasonRefused           = "refused"            // the server answered, and does not serve the request
	ReasonOversized         = "oversized"          // a message beyond the limit
	ReasonEnded             = "ended"              // the server ended the stream in order
	ReasonLost              = "lost"               // the connection broke
	ReasonToken             = "token"              // UAA gives none
	ReasonTokenScope        = "token_scope"        // the token lacks the scope
	ReasonUnauthorized      = "unauthorized"       // the server refuses the token, a fresh one too
	ReasonWrongURL          = "wrong_url"          // something else answers there, or the platform has no such route
	ReasonUnavailable       = "unavailable"        // the server is there, and cannot serve
	ReasonClosing           = "closing_event"      // the RLP gateway ended the stream as it does after its time
	ReasonMalformedStream   = "malformed_stream"   // what comes is no stream of events
	ReasonTextFrame         = "text_frame"         // a websocket message that is no envelope
	ReasonSlow              = "slow"               // the server ended the stream because we read too slowly
)

// failure is why a stream ended: a reason that is counted, what an operator should look at, and the error itself.
type Failure struct {
	Reason, Advice string
	Err            error
}
