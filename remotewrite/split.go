package remotewrite

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"loggregator_exporter/metric"
)

var errMessage = errors.New("not a message of ours")

// entries calls f with every field of a message that holds length-delimited fields only.
func entries(message []byte, f func(number protowire.Number, field, value []byte)) error {
	for len(message) > 0 {
		number, typ, n := protowire.ConsumeTag(message)
		if n < 0 || typ != protowire.BytesType {
			return errMessage
		}
		value, m := protowire.ConsumeBytes(message[n:])
		if m < 0 {
			return errMessage
		}
		f(number, message[:n+m], value)
		message = message[n+m:]
	}
	return nil
}

// halve splits an uncompressed request of count entries in two, so that each half has the symbols of the whole.
func halve(message []byte, count int) (left, right []byte, err error) {
	at := 0
	err = entries(message, func(number protowire.Number, field, _ []byte) {
		switch {
		case number == v2Symbols:
			left, right = append(left, field...), append(right, field...)
			return
		case at < count/2:
			left = append(left, field...)
		default:
			right = append(right, field...)
		}
		at++
	})
	if err == nil && at != count {
		err = fmt.Errorf("%w: %d entries instead of %d", errMessage, at, count)
	}
	return left, right, err
}

// tallyOf tells what an uncompressed request holds.
func tallyOf(message []byte, v2 bool) (t tally) {
	contents := map[protowire.Number]content{seriesSamples: contentSamples, v1Exemplars: contentExemplars, v1Histograms: contentHistograms}
	if v2 {
		contents = map[protowire.Number]content{seriesSamples: contentSamples, v2Exemplars: contentExemplars, v2Histograms: contentHistograms}
	}
	// What cannot be read is not counted, and was not written here.
	_ = entries(message, func(number protowire.Number, _, value []byte) {
		switch {
		case v2 && number == v2Symbols:
		case !v2 && number == v1Metadata:
			t[contentMetadata]++
		default:
			_ = entries(value, func(number protowire.Number, _, _ []byte) {
				if c, ok := contents[number]; ok {
					t[c]++
				}
			})
		}
	})
	return t
}

// withoutExemplars copies an uncompressed request of time series without their exemplars.
func withoutExemplars(message []byte, v2 bool) (out []byte) {
	exemplars := protowire.Number(v1Exemplars)
	if v2 {
		exemplars = v2Exemplars
	}
	_ = entries(message, func(number protowire.Number, field, value []byte) {
		if v2 && number == v2Symbols {
			out = append(out, field...)
			return
		}
		var series []byte
		_ = entries(value, func(n protowire.Number, part, _ []byte) {
			if n != exemplars {
				series = append(series, part...)
			}
		})
		out = protowire.AppendBytes(protowire.AppendTag(out, number, protowire.BytesType), series)
	})
	return out
}

const maxDescription = 512

// describe names the first entry of an uncompressed request, for the log: the labels of a series, or the name of a family.
func describe(message []byte, v2 bool) string {
	var symbols []string
	var first []byte
	metadata := false
	err := entries(message, func(number protowire.Number, _, value []byte) {
		switch {
		case v2 && number == v2Symbols:
			symbols = append(symbols, string(value))
		case first == nil:
			first, metadata = value, !v2 && number == v1Metadata
		}
	})
	text := ""
	switch {
	case err != nil:
	case metadata:
		text = fieldText(first, v1FamilyName)
	case v2:
		text = describeRefs(first, symbols)
	default:
		text = describeLabels(first)
	}
	if len(text) > maxDescription {
		text = text[:maxDescription] + "..."
	}
	return text
}

// fieldText returns a field of text of a message.
func fieldText(message []byte, want protowire.Number) string {
	for len(message) > 0 {
		number, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return ""
		}
		message = message[n:]
		if number == want && typ == protowire.BytesType {
			text, _ := protowire.ConsumeBytes(message)
			return string(text)
		}
		if n = protowire.ConsumeFieldValue(number, typ, message); n < 0 {
			return ""
		}
		message = message[n:]
	}
	return ""
}

// describeLabels spells the labels of a time series of 1.0, all of whose fields are length-delimited.
func describeLabels(series []byte) string {
	var labels []metric.Label
	if err := entries(series, func(number protowire.Number, _, value []byte) {
		if number == seriesLabels {
			labels = append(labels, metric.Label{Name: fieldText(value, labelName), Value: fieldText(value, labelValue)})
		}
	}); err != nil {
		return ""
	}
	return "{" + string(metric.RenderLabels(labels)) + "}"
}

func describeRefs(series []byte, symbols []string) string {
	refs := []byte(fieldText(series, seriesLabels))
	var texts []string
	for len(refs) > 0 {
		ref, n := protowire.ConsumeVarint(refs)
		if n < 0 || ref >= uint64(len(symbols)) {
			return ""
		}
		texts = append(texts, symbols[ref])
		refs = refs[n:]
	}
	var labels []metric.Label
	for i := 0; i+1 < len(texts); i += 2 {
		labels = append(labels, metric.Label{Name: texts[i], Value: texts[i+1]})
	}
	return "{" + string(metric.RenderLabels(labels)) + "}"
}
