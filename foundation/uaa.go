package foundation

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	uaaClient = "loggregator_exporter"
	uaaSecret = "loggregator_exporter-secret" //nolint:gosec // of the simulation
)

// uaa issues tokens to one client by its credentials, and verifies them. They are JSON web tokens, signed by a
// random key.
type uaa struct {
	life time.Duration
	now  func() time.Time
	key  []byte

	mu       sync.Mutex
	secret   string
	scopes   []string
	requests int
	epoch    int // tokens of epochs before are not accepted any more
}

func newUAA(life time.Duration, now func() time.Time) *uaa {
	return &uaa{
		life:   life,
		now:    now,
		key:    []byte(rand.Text()),
		secret: uaaSecret,
		scopes: []string{"doppler.firehose", "uaa.resource"},
	}
}

// claims are the claims of a token.
type claims struct {
	ID       string   `json:"jti"`
	ClientID string   `json:"client_id"`
	Scope    []string `json:"scope"`
	Issued   int64    `json:"iat"`
	Expires  int64    `json:"exp"`
	Epoch    int      `json:"epoch"`
}

// ServeHTTP answers POST /oauth/token.
func (u *uaa) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/oauth/token" || r.Method != http.MethodPost {
		http.NotFound(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	id, secret, ok := r.BasicAuth()
	if !ok {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.requests++
	answer := func(status int, body map[string]any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	switch {
	case r.PostFormValue("grant_type") != "client_credentials":
		answer(
			http.StatusUnauthorized,
			map[string]any{
				"error":             "invalid_client",
				"error_description": "Unauthorized grant type: " + r.PostFormValue("grant_type"),
			},
		)
	case id != uaaClient || secret != u.secret:
		answer(http.StatusUnauthorized, map[string]any{"error": "unauthorized", "error_description": "Bad credentials"})
	default:
		now := u.now()
		c := claims{
			ID:       rand.Text(),
			ClientID: id,
			Scope:    u.scopes,
			Issued:   now.Unix(),
			Expires:  now.Add(u.life).Unix(),
			Epoch:    u.epoch,
		}
		answer(http.StatusOK, map[string]any{
			"access_token": u.sign(c),
			"token_type":   "bearer",
			"expires_in":   int(u.life / time.Second),
			"scope":        strings.Join(u.scopes, " "),
			"jti":          c.ID,
		})
	}
}

// sign writes a token.
func (u *uaa) sign(c claims) string {
	payload, _ := json.Marshal(c) //nolint:errchkjson // it holds nothing that could fail
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(payload)
	return text + "." + encode(u.mac(text))
}

func (u *uaa) mac(text string) []byte {
	h := hmac.New(sha256.New, u.key)
	_, _ = h.Write([]byte(text))
	return h.Sum(nil)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// allows reports whether a token was issued here, has not expired, and has one of the scopes.
func (u *uaa) allows(token string, scopes ...string) bool {
	at := strings.LastIndexByte(token, '.')
	if at < 0 {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(token[at+1:])
	if err != nil || !hmac.Equal(signature, u.mac(token[:at])) {
		return false
	}
	_, payload, _ := strings.Cut(token[:at], ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	var c claims
	if err != nil || json.Unmarshal(text, &c) != nil {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.now().Before(time.Unix(c.Expires, 0)) && c.Epoch == u.epoch &&
		slices.ContainsFunc(scopes, func(s string) bool { return slices.Contains(c.Scope, s) })
}

// UAAClient returns the id and the current secret of the client that gets tokens.
func (h *https) UAAClient() (id, secret string) {
	h.uaa.mu.Lock()
	defer h.uaa.mu.Unlock()
	return uaaClient, h.uaa.secret
}

// SetUAAClient changes the client's secret and the scopes of tokens from now on.
func (h *https) SetUAAClient(secret string, scopes ...string) {
	h.uaa.mu.Lock()
	defer h.uaa.mu.Unlock()
	h.uaa.secret, h.uaa.scopes = secret, scopes
}

// RevokeTokens invalidates all tokens issued so far, as when UAA's signing key is changed. Open streams stay open:
// tokens are checked when a stream is opened.
func (h *https) RevokeTokens() {
	h.uaa.mu.Lock()
	defer h.uaa.mu.Unlock()
	h.uaa.epoch++
}

// TokenRequests returns how many requests for a token UAA has had.
func (h *https) TokenRequests() int {
	h.uaa.mu.Lock()
	defer h.uaa.mu.Unlock()
	return h.uaa.requests
}
