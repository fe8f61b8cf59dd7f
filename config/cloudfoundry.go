package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"loggregator_exporter/internal/check"
)

// ServiceName is the tag or the name by which a bound service is the exporter's.
const ServiceName = "loggregator-exporter"

const (
	vcapApplication = "VCAP_APPLICATION"
	vcapServices    = "VCAP_SERVICES"
	portEnv         = "PORT"
)

// platform is what Cloud Foundry tells an app: a layer of settings between the defaults and the file. Elsewhere,
// without VCAP_APPLICATION, it is empty: PORT alone means many things.
type platform struct {
	*table
	// derived are defaults made of PORT and of the API's address, which do not count as set.
	derived map[string]any
	// bound are the credentials of the bound service.
	bound map[string]any
	// service is the name of the bound service, quoted, or "".
	service string
	// isApp is false outside of Cloud Foundry.
	isApp bool
	// unknownDomain says why the system domain is not known, or is "".
	unknownDomain string
	mistakes      []mistake
}

// readPlatform reads the environment of an app; getenv is os.Getenv.
func readPlatform(t *table, getenv func(string) string) *platform {
	p := &platform{table: t, derived: map[string]any{}, bound: map[string]any{}, isApp: getenv(vcapApplication) != ""}
	if p.isApp {
		p.port(getenv(portEnv))
		p.domain(getenv(vcapApplication))
		p.services(getenv(vcapServices))
	}
	return p
}

func (p *platform) fail(key, format string, args ...any) {
	p.mistakes = append(p.mistakes, mistake{key, fmt.Errorf(format, args...)})
}

// port is where the platform asks for health and sends requests.
func (p *platform) port(text string) {
	const key = "web.listen_address"
	if text == "" {
		return // an app without routes and ports
	}
	if n, err := strconv.ParseUint(text, 10, 16); err != nil || n == 0 {
		p.fail(key, "%s: %s is not a port, 1 to 65535: Cloud Foundry sets it, so do not set it in the manifest", portEnv,
			check.Quote(text))
		return
	}
	p.derived[key] = ":" + text
}

// domain derives the addresses of the foundation from that of its API, https://api.<system domain>.
func (p *platform) domain(text string) {
	var app struct {
		API *string `json:"cf_api"`
	}
	if err := decodeJSON(text, &app); err != nil {
		p.fail("", "%s: not as Cloud Foundry writes it: %s", vcapApplication, err)
		return
	}
	if app.API == nil || *app.API == "" {
		p.unknownDomain = vcapApplication + " has no cf_api to derive it from"
		return
	}
	u, err := url.Parse(*app.API)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
		p.unknownDomain = "cf_api in " + vcapApplication + " is no URL to derive it from"
		return
	}
	domain, ok := strings.CutPrefix(u.Hostname(), "api.")
	if !ok || domain == "" {
		p.unknownDomain = fmt.Sprintf("it cannot be derived from cf_api in %s, %s, which does not begin with api.",
			vcapApplication, check.Quote(u.Hostname()))
		return
	}
	p.derived["nozzle.gateway.url"] = "https://log-stream." + domain
	p.derived["nozzle.firehose.url"] = "wss://doppler." + domain
	p.derived["uaa.url"] = "https://uaa." + domain
}

// boundService is an item of VCAP_SERVICES.
type boundService struct {
	Name         string                     `json:"name"`
	InstanceName string                     `json:"instance_name"`
	Tags         []string                   `json:"tags"`
	Credentials  map[string]json.RawMessage `json:"credentials"`
}

func (s *boundService) title() string { return check.Quote(cmp.Or(s.Name, s.InstanceName)) }

func (s *boundService) ours() bool {
	return s.Name == ServiceName || s.InstanceName == ServiceName || slices.Contains(s.Tags, ServiceName)
}

func (p *platform) services(text string) {
	if text == "" {
		return
	}
	var byLabel map[string][]boundService
	if err := decodeJSON(text, &byLabel); err != nil {
		p.fail(everySetting, "%s: not as Cloud Foundry writes it: %s", vcapServices, err)
		return
	}
	var ours []boundService
	for _, label := range slices.Sorted(maps.Keys(byLabel)) {
		for _, s := range byLabel[label] {
			if s.ours() {
				ours = append(ours, s)
			}
		}
	}
	switch len(ours) {
	case 0:
	case 1:
		p.service = ours[0].title()
		p.serviceCredentials(ours[0].Credentials)
	default:
		p.fail(everySetting, "%s: the services %s and %s both have the name or the tag %s: unbind one of them",
			vcapServices, ours[0].title(), ours[1].title(), ServiceName)
	}
}

// credHubReference stands in credentials for those that CredHub holds. The platform replaces it before it starts an
// app.
const credHubReference = "credhub-ref" //nolint:gosec // the name of a key

// serviceCredentials reads the credentials of the bound service. A service with the exporter's name but without
// settings is reported, since nothing else would show that mistake.
func (p *platform) serviceCredentials(object map[string]json.RawMessage) {
	switch {
	case len(object) == 0:
		p.fail("", "%s: has no credentials, which should hold settings: update it with credentials, "+
			"for example -p '{\"uaa.client_id\": \"...\", \"uaa.client_secret\": \"...\"}', or unbind it", p.place())
	case object[credHubReference] != nil:
		p.fail(everySetting, "%s: %s stands in place of the credentials, so the platform has not fetched them from "+
			"CredHub: bind the service anew, or see whether CredHub can be reached from the apps of this foundation",
			p.place(), credHubReference)
	default:
		p.credentials("", object)
	}
}

// credentials reads one level of the credentials: settings by dotted key, or in sections as in the file.
func (p *platform) credentials(prefix string, object map[string]json.RawMessage) {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		key, text := joinKey(prefix, name), object[name]
		var section map[string]json.RawMessage
		switch s := p.byKey[key]; {
		case s != nil && p.bound[key] != nil:
			p.failKey(key, "the key stands twice, dotted and in a section: remove one")
		case s != nil:
			p.setting(s, text)
		case !slices.Contains(p.known, key):
			p.failKey(key, "unknown key: the nearest known key is %s", NearestKey(key, p.known))
		case json.Unmarshal(text, &section) != nil:
			p.failKey(key, "is a section of settings: write an object")
		default:
			p.credentials(key, section)
		}
	}
}

// setting reads one value. Values may be texts in all cases, since that is all that cf prompts for.
func (p *platform) setting(s *Setting, text json.RawMessage) {
	if !s.Kind.inFlags() {
		p.failKey(s.Key, "is a %s, which credentials cannot hold: set it in the configuration file", s.Kind)
		return
	}
	words, problem := s.words(text)
	if problem == "" && words == nil {
		return // null counts as not set
	}
	var value any
	if problem == "" {
		value, problem = s.parseText(strings.Join(words, ","))
	}
	if problem != "" {
		p.failKey(s.Key, "%s", problem)
		return
	}
	p.bound[s.Key] = value
}

// words are the text of a JSON value, or the texts of a list's items; nil for null.
func (s *Setting) words(text json.RawMessage) (words []string, problem string) {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // a secret of digits stays as it is
	if err := decoder.Decode(&value); err != nil {
		return nil, "is no JSON value"
	}
	items, isList := value.([]any)
	if !isList {
		items = []any{value}
	}
	if isList && !s.Kind.isList() {
		return nil, "a list is not a " + s.Kind.String()
	}
	words = []string{}
	for _, item := range items {
		switch v := item.(type) {
		case string:
			words = append(words, v)
		case json.Number:
			words = append(words, v.String())
		case bool:
			words = append(words, strconv.FormatBool(v))
		case nil:
			if !isList {
				return nil, ""
			}
			return nil, "a list with null in it is not a " + s.Kind.String()
		default:
			return nil, "an object or a list is not a " + s.Kind.String()
		}
		if isList && strings.Contains(words[len(words)-1], ",") {
			return nil, "an item of a list cannot hold a comma: set it in the configuration file"
		}
	}
	return words, ""
}

func (p *platform) failKey(key, format string, args ...any) {
	p.fail(key, "%s: %s: %s", p.place(), show(key), fmt.Sprintf(format, args...))
}

// place names the service in messages.
func (p *platform) place() string { return vcapServices + ": service " + p.service }

// value returns the value that the platform gives a setting; ok is false if it gives none.
func (p *platform) value(key string) (v given, ok bool) {
	if bound, ok := p.bound[key]; ok {
		return given{bound, fromService}, true
	}
	derived, ok := p.derived[key]
	return given{derived, fromDefault}, ok
}

// otherMeans completes Remedy: an app can also set a missing value in credentials.
func (p *platform) otherMeans() string {
	if !p.isApp {
		return ""
	}
	return " or in the credentials of a bound service with the name or the tag " + ServiceName
}

// whyMissing completes Remedy: why the platform does not derive an address.
func (p *platform) whyMissing(key string) string {
	if p.unknownDomain == "" || !strings.HasSuffix(key, ".url") {
		return ""
	}
	return "; " + p.unknownDomain
}

// decodeJSON reads one JSON value. Its errors say where, and show nothing of the text, which holds secrets.
func decodeJSON(text string, into any) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	err := decoder.Decode(into)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("no JSON at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Errorf("%s instead of %s at byte %d", kind.Value, jsonKind(kind), kind.Offset)
	case err != nil:
		return fmt.Errorf("the JSON ends after %d bytes, before it is whole", len(text))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("something follows the JSON at byte %d", decoder.InputOffset())
	}
	return nil
}

func jsonKind(err *json.UnmarshalTypeError) string {
	switch err.Type.Kind().String() {
	case "map", "struct":
		return "object"
	case "slice":
		return "array"
	default:
		return "string"
	}
}
