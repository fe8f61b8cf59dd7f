package container

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"loggregator_exporter/e2e/peer"
)

const base = "docker.io/library/golang:1.26.8-bookworm"

func folder(t *testing.T) string {
	t.Helper()
	return filepath.Join(peer.Root(t), "deploy", "container")
}

func containerfile(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder(t), "Containerfile"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// registry answers for the one image that the build takes from elsewhere, since there is no registry here.
type registry struct{}

// ResolveImageConfig implements llb.ImageMetaResolver.
func (registry) ResolveImageConfig(
	_ context.Context,
	ref string,
	_ sourceresolver.Opt,
) (string, digest.Digest, []byte, error) {
	if ref != base {
		return "", "", nil, errors.New("the build takes " + ref)
	}
	config, err := json.Marshal(ocispecs.Image{
		Platform: ocispecs.Platform{OS: "linux", Architecture: "amd64"},
		Config:   ocispecs.ImageConfig{Env: []string{"PATH=/usr/local/go/bin:/usr/bin:/bin"}, WorkingDir: "/go"},
	})
	return ref, digest.FromBytes(config), config, err
}

func options(text []byte) dockerfile2llb.ConvertOpt {
	return dockerfile2llb.ConvertOpt{
		MetaResolver:   registry{},
		SourceMap:      llb.NewSourceMap(nil, "Containerfile", "Dockerfile", text),
		TargetPlatform: &ocispecs.Platform{OS: "linux", Architecture: "arm64"},
		Config: dockerui.Config{
			BuildPlatforms: []ocispecs.Platform{{OS: "linux", Architecture: "amd64"}},
			BuildArgs:      map[string]string{"VERSION": "1.2.3", "REVISION": "0f5a"},
		},
	}
}

// lint converts a Containerfile to what BuildKit would run, and returns what it warns of by the way.
func lint(t *testing.T, text []byte) map[string]string {
	t.Helper()
	found := map[string]string{}
	o := options(text)
	o.AllStages = true
	o.Warn = func(rule, _, _, message string, _ []parser.Range) { found[rule] = message }
	if _, err := dockerfile2llb.Dockerfile2LLB(t.Context(), text, o); err != nil {
		t.Fatal(err)
	}
	return found
}

// TestLint: BuildKit's own checks, all of them, find nothing, and they do find what is wrong.
func TestLint(t *testing.T) {
	text := containerfile(t)
	for rule, message := range lint(t, text) {
		t.Errorf("%s: %s", rule, message)
	}
	bad := append(slices.Clip(text), "ENV UAA_CLIENT_SECRET=$UNKNOWN\nCMD run\n"...)
	rules := slices.Sorted(maps.Keys(lint(t, bad)))
	if want := []string{
		"JSONArgsRecommended",
		"MultipleInstructionsDisallowed",
		"SecretsUsedInArgOrEnv",
		"UndefinedVar",
	}; !slices.Equal(
		rules,
		want,
	) {
		t.Errorf("found %v, want %v", rules, want)
	}
}

// TestImage: what an engine is told to run, and by what it finds out that it is well.
func TestImage(t *testing.T) {
	text := containerfile(t)
	result, err := dockerfile2llb.Dockerfile2LLB(t.Context(), text, options(text))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(result.Image.Config, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
 "User": "65532:65532",
 "ExposedPorts": {
  "9286/tcp": {}
 },
 "Env": [
  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
 ],
 "Entrypoint": [
  "/exporter"
 ],
 "Cmd": [
  "run"
 ],
 "WorkingDir": "/",
 "Labels": {
  "org.opencontainers.image.description": "Prometheus exporter for Cloud Foundry's Loggregator",
  "org.opencontainers.image.licenses": "Apache-2.0",
  "org.opencontainers.image.revision": "0f5a",
  "org.opencontainers.image.title": "loggregator_exporter",
  "org.opencontainers.image.version": "1.2.3"
 },
 "ArgsEscaped": true,
 "Healthcheck": {
  "Test": [
   "CMD",
   "/exporter",
   "healthcheck"
  ],
  "Interval": 30000000000,
  "Timeout": 6000000000,
  "StartPeriod": 10000000000,
  "Retries": 3
 }
}`
	if string(got) != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if a := result.Image.Architecture; a != "arm64" {
		t.Errorf("the image is for %s", a)
	}
	definition, err := result.State.Marshal(t.Context(), llb.LinuxAmd64)
	if err != nil {
		t.Fatal(err)
	}
	compiles := false
	for _, raw := range definition.Def {
		var op pb.Op
		if err := op.UnmarshalVT(raw); err != nil {
			t.Fatal(err)
		}
		if exec := op.GetExec(); exec != nil && strings.Contains(strings.Join(exec.Meta.Args, " "), "go build") {
			compiles = slices.Contains(exec.Meta.Env, "TARGETARCH=arm64") && op.Platform.Architecture == "amd64"
		}
	}
	if !compiles {
		t.Error("the compiler does not run on the builder's platform, for that of the image")
	}
}

// buildCommand is the command of the Containerfile that compiles.
func buildCommand(t *testing.T) string {
	t.Helper()
	ast, err := parser.Parse(strings.NewReader(string(containerfile(t))))
	if err != nil {
		t.Fatal(err)
	}
	stages, _, err := instructions.Parse(ast.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	command := ""
	for _, c := range stages[0].Commands {
		if run, ok := c.(*instructions.RunCommand); ok {
			command = strings.Join(run.CmdLine, " ")
		}
	}
	if !strings.Contains(command, "go build") || strings.Count(command, " /out/exporter ") != 1 {
		t.Fatalf("the last command of the build is %q", command)
	}
	return command
}
