package container

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"loggregator_exporter/e2e/deploy/readme"
	"loggregator_exporter/e2e/peer"
)

func output(ctx context.Context, t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(name, args, err)
	}
	return out
}

// TestSBOM: the bill is as the standard's schema wants it, and lists exactly the modules that `go version -m` shows,
// with their versions and hashes, and the standard library.
func TestSBOM(t *testing.T) {
	file, dir := binary(t), filepath.Join(peer.Root(t), "e2e")
	text := output(t.Context(), t, dir, "go", "run", "./deploy/container/sbom", file)
	if again := output(t.Context(), t, dir, "go", "run", "./deploy/container/sbom", file); !bytes.Equal(text, again) {
		t.Error("two bills of the same binary differ")
	}
	validate(t, text)

	var want []string
	var release string
	for line := range strings.Lines(string(output(t.Context(), t, dir, "go", "version", "-m", file))) {
		words := strings.Fields(line)
		switch {
		case release == "":
			release = strings.TrimPrefix(words[len(words)-1], "go")
			want = append(want, "std "+release+" ")
		case words[0] == "dep":
			want = append(want, strings.Join(words[1:], " "))
		case words[0] == "=>":
			t.Fatal("the product replaces a module: take that into account here")
		}
	}
	if len(want) < 20 {
		t.Fatalf("go version -m shows only %q", want)
	}
	var bom cyclonedx.BOM
	if err := cyclonedx.NewBOMDecoder(bytes.NewReader(text), cyclonedx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range *bom.Components {
		sum := ""
		if c.Properties != nil {
			sum = (*c.Properties)[0].Value
		}
		got = append(got, c.Name+" "+c.Version+" "+sum)
		if purl := "pkg:golang/" + c.Name + "@" + strings.ReplaceAll(c.Version, "+", "%2B"); c.PackageURL != purl {
			t.Errorf("%s has the package URL %s", c.Name, c.PackageURL)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	if app := bom.Metadata.Component; app.Name != "loggregator_exporter" ||
		(*app.Hashes)[0].Value != hex.EncodeToString(sum[:]) {
		t.Errorf("the bill is that of %+v", app)
	}
}

// validate holds a bill to the schema of the standard, which comes with the library's source.
func validate(t *testing.T, text []byte) {
	t.Helper()
	dir := strings.TrimSpace(
		string(output(t.Context(), t, ".", "go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go")),
	)
	compiler := jsonschema.NewCompiler()
	for name, id := range map[string]string{
		"bom-1.6.schema.json":   "http://cyclonedx.org/schema/bom-1.6.schema.json",
		"spdx.schema.json":      "http://cyclonedx.org/schema/spdx.schema.json",
		"jsf-0.82.schemax.json": "http://cyclonedx.org/schema/jsf-0.82.schema.json",
	} {
		schema, err := os.ReadFile(filepath.Join(dir, "schema", name))
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource(id, document); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := compiler.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	bom, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(bom); err != nil {
		t.Errorf("%v", err)
	}
}

// TestReadme runs what the README tells to run, without an engine.
func TestReadme(t *testing.T) {
	const hardened = "--read-only --cap-drop ALL --security-opt no-new-privileges "
	run := readme.Commands(t, filepath.Join(folder(t), "README.md"), "sh", map[string]bool{
		"docker build -f deploy/container/Containerfile -t loggregator_exporter --build-arg VERSION=$(git describe --tags --always --dirty) --build-arg REVISION=$(git rev-parse HEAD) .":                                                    false,
		"docker run --rm " + hardened + "-p 127.0.0.1:9286:9286 loggregator_exporter demo --web.listen_address=:9286":                                                                                                                        false,
		"curl -s localhost:9286/metrics | grep '^cf_num_bytes_allocated{'":                                                                                                                                                                   false,
		"docker run -d --name loggregator_exporter --restart unless-stopped " + hardened + "-p 9286:9286 -v /etc/loggregator_exporter:/etc/loggregator_exporter:ro loggregator_exporter run --config /etc/loggregator_exporter/exporter.yml": false,
		"docker cp $(docker create loggregator_exporter):/exporter bin/exporter":                                                                                                                                                             false,
		"make sbom":                  true,
		"go version -m bin/exporter": true,
	})
	for _, command := range run {
		if out := output(
			t.Context(),
			t,
			peer.Root(t),
			"sh",
			"-c",
			command,
		); strings.HasPrefix(command, "go") &&
			!bytes.Contains(out, []byte("dep\tgithub.com/spf13/viper\t")) {
			t.Errorf("%s: %s", command, out)
		}
	}
	text, err := os.ReadFile(filepath.Join(peer.Root(t), "bin", "exporter.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	validate(t, text)
}
