// Command sbom writes the bill of materials of a Go binary, as CycloneDX JSON, to standard output. All of it comes
// from the binary: what the linker wrote into it (`go version -m` shows the same), so it says what is in there and
// not what somebody meant to be. The same binary always has the same bill.
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
)

func main() {
	if len(os.Args) != 2 {
		_, _ = fmt.Fprintln(os.Stderr, "usage: sbom BINARY")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Stdout); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(file string, out io.Writer) error {
	bom, err := bill(file)
	if err != nil {
		return err
	}
	encoder := cyclonedx.NewBOMEncoder(out, cyclonedx.BOMFileFormatJSON)
	if err := encoder.SetPretty(true).EncodeVersion(bom, cyclonedx.SpecVersion1_6); err != nil {
		return fmt.Errorf("writing the bill: %w", err)
	}
	return nil
}

func bill(file string) (*cyclonedx.BOM, error) {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s is no Go binary: %w", file, err)
	}
	sum, err := digest(file)
	if err != nil {
		return nil, err
	}
	app := component(cyclonedx.ComponentTypeApplication, &info.Main)
	app.Hashes = &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: sum}}
	settings := []cyclonedx.Property{{Name: "go:path", Value: info.Path}}
	for _, s := range info.Settings {
		settings = append(settings, cyclonedx.Property{Name: "go:build:" + s.Key, Value: s.Value})
	}
	app.Properties = &settings

	// The standard library is a module to those who look for vulnerabilities.
	std := component(
		cyclonedx.ComponentTypeLibrary,
		&debug.Module{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")},
	)
	components, refs := []cyclonedx.Component{std}, []string{std.BOMRef}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		c := component(cyclonedx.ComponentTypeLibrary, m)
		components, refs = append(components, c), append(refs, c.BOMRef)
	}
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Component: &app}
	bom.Components = &components
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: app.BOMRef, Dependencies: &refs}}
	return bom, nil
}

func component(kind cyclonedx.ComponentType, m *debug.Module) cyclonedx.Component {
	purl := "pkg:golang/" + m.Path
	if m.Version != "" {
		purl += "@" + strings.ReplaceAll(m.Version, "+", "%2B")
	}
	c := cyclonedx.Component{BOMRef: purl, Type: kind, Name: m.Path, Version: m.Version, PackageURL: purl}
	if m.Sum != "" {
		// As in go.sum. It is a hash of a list of hashes, and so no hash of the component that others could compare.
		c.Properties = &[]cyclonedx.Property{{Name: "go:sum", Value: m.Sum}}
	}
	return c
}

func digest(file string) (string, error) {
	f, err := os.Open(file) //nolint:gosec // whoever runs this names the file
	if err != nil {
		return "", fmt.Errorf("reading the binary: %w", err)
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("reading the binary: %w", errors.Join(err, f.Close()))
	}
	if err := f.Close(); err != nil {
		return "", fmt.Errorf("reading the binary: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
