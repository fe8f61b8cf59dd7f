package nozzle

import (
	"strings"
)

// maxOrdinalDigits is the longest ordinal of a StatefulSet that is believed: the random suffix of a Deployment's pod
// is five characters, and may be all digits.
const maxOrdinalDigits = 4

// DeriveName finds the name that a platform gives an instance among its siblings, and says where: the index of a
// Cloud Foundry app (CF_INSTANCE_INDEX), the ordinal in the host name of a pod of a StatefulSet (only in Kubernetes,
// since hosts elsewhere are called web-1 without meaning it), the index that the BOSH job hands on
// (BOSH_INSTANCE_INDEX). Both are empty where there is none. getenv is os.Getenv.
func DeriveName(getenv func(string) string, hostname string) (name, from string) {
	if index := getenv("CF_INSTANCE_INDEX"); isOrdinal(index) {
		return index, "CF_INSTANCE_INDEX"
	}
	if getenv("KUBERNETES_SERVICE_HOST") != "" {
		hostname, _, _ = strings.Cut(hostname, ".")
		if i := strings.LastIndexByte(hostname, '-'); i > 0 && isOrdinal(hostname[i+1:]) {
			return hostname[i+1:], "the ordinal in the host name " + hostname
		}
	}
	if index := getenv("BOSH_INSTANCE_INDEX"); isOrdinal(index) {
		return index, "BOSH_INSTANCE_INDEX"
	}
	return "", ""
}

// isOrdinal says whether a text is a number as platforms write them: no sign, no leading zero.
func isOrdinal(s string) bool {
	if s == "" || len(s) > maxOrdinalDigits || s[0] == '0' && len(s) > 1 {
		return false
	}
	return strings.Trim(s, "0123456789") == ""
}

// Deterministic says whether envelopes come by name to this reader and its siblings: a series is on another of them
// as soon as one comes or goes. The v1 firehose knows no names.
func (o StreamOptions) Deterministic() bool { return o.ShardID != "" && o.DeterministicName != "" }
