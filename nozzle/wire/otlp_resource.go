package wire

import "bytes"

// otlpResourceView is what the attributes of a resource say about the source of its points.
type otlpResourceView struct {
	source, instance         []byte // from Cloud Foundry's attributes
	sourceRank, instanceRank otlpRank

	// OpenTelemetry's identity of what was measured. It takes the place of source id and instance id where there are
	// none, and is in tags otherwise, since it may be all that tells two resources apart.
	serviceNamespace, service, serviceInstance []byte
}

// otlpRank says which of several attributes is the source id: the highest.
type otlpRank uint8

const (
	rankNone   otlpRank = iota
	rankSystem          // a component of Cloud Foundry
	rankApp
	rankLoggregator // the envelope's field itself
)

// Attributes by which others know the fields and tags of Loggregator.
const (
	// Before each of them, in OpenTelemetry's receiver for Cloud Foundry (the contrib receiver cloudfoundry).
	cloudFoundryPrefix = "org.cloudfoundry."
	sourceIDName       = "source_id"
	instanceIDName     = "instance_id"
)

var (
	serviceNameTag     = []byte("service_name")
	serviceInstanceTag = []byte("service_instance_id")
	appIDTag           = []byte("app_id")
)

// conventionalTags are the tags of Loggregator by the attributes that OpenTelemetry's semantic conventions have for
// them.
var conventionalTags = map[string][]byte{ // constant
	"cloudfoundry.app.name":     []byte("app_name"),
	"cloudfoundry.org.id":       []byte("organization_id"),
	"cloudfoundry.org.name":     []byte("organization_name"),
	"cloudfoundry.space.id":     []byte("space_id"),
	"cloudfoundry.space.name":   []byte("space_name"),
	"cloudfoundry.process.id":   []byte("process_id"),
	"cloudfoundry.process.type": []byte("process_type"),
}

// readResource reads the attributes of a resource.
func (w *otlpWalk) readResource(b []byte) bool {
	f := Fields{Message: b}
	for f.Next() {
		if f.Tag != otlpResourceAttributes {
			continue
		}
		key, value, ok := w.attribute(f.Bytes)
		if !ok {
			return false
		}
		w.resourceAttribute(key, value)
	}
	return !f.Bad
}

func (w *otlpWalk) resourceAttribute(key, value []byte) {
	key, ofReceiver := bytes.CutPrefix(key, []byte(cloudFoundryPrefix))
	r := &w.resource
	switch string(key) {
	case sourceIDName:
		r.setSource(value, rankLoggregator)
	case instanceIDName:
		r.setInstance(value, rankLoggregator)
	case "cloudfoundry.app.id":
		r.setSource(value, rankApp)
		w.addTag(appIDTag, value)
	case "cloudfoundry.app.instance.id":
		r.setInstance(value, rankApp)
	case "cloudfoundry.system.id":
		r.setSource(value, rankSystem)
	case "cloudfoundry.system.instance.id":
		r.setInstance(value, rankSystem)
	case "service.namespace":
		r.serviceNamespace = value
	case "service.name":
		r.service = value
	case "service.instance.id":
		r.serviceInstance = value
	default:
		if tag := conventionalTags[string(key)]; tag != nil {
			w.addTag(tag, value)
		} else if ofReceiver || w.ResourceAttribute != nil && w.ResourceAttribute(key) {
			w.addTag(key, value)
		}
	}
}

func (r *otlpResourceView) setSource(value []byte, rank otlpRank) {
	if rank >= r.sourceRank {
		r.source, r.sourceRank = value, rank
	}
}

func (r *otlpResourceView) setInstance(value []byte, rank otlpRank) {
	if rank >= r.instanceRank {
		r.instance, r.instanceRank = value, rank
	}
}

// endResource decides what the attributes that were read mean together.
func (w *otlpWalk) endResource() {
	r := &w.resource
	if len(r.service) > 0 && len(r.serviceNamespace) > 0 {
		from := len(w.scratch)
		w.scratch = append(append(append(w.scratch, r.serviceNamespace...), '/'), r.service...)
		r.service = w.scratch[from:]
	}
	if r.sourceRank != rankNone {
		w.addTag(serviceNameTag, r.service)
		r.service = nil
	}
	if r.instanceRank != rankNone {
		w.addTag(serviceInstanceTag, r.serviceInstance)
		r.serviceInstance = nil
	}
	w.kept = len(w.scratch)
}

// identify sets the source id and instance id of a point whose attributes have been read.
func (w *otlpWalk) identify(own otlpIDs) {
	e, r := w.e, &w.resource
	switch {
	case own.source && len(r.service) > 0:
		e.AddTag(serviceNameTag, r.service)
	case own.source:
	case r.sourceRank != rankNone:
		e.SourceID = r.source
	default:
		e.SourceID = r.service
	}
	switch {
	case own.instance && len(r.serviceInstance) > 0:
		e.AddTag(serviceInstanceTag, r.serviceInstance)
	case own.instance:
	case r.instanceRank != rankNone:
		e.InstanceID = r.instance
	default:
		e.InstanceID = r.serviceInstance
	}
}
