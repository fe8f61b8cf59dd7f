package e2e

import (
	"testing"

	"github.com/prometheus/prometheus/model/textparse"
)

func TestX(t *testing.T) {
	_ = textparse.EntryInvalid
}
