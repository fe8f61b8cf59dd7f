# What a developer and the CI run. Tools are built once, from exact versions, into a cache outside the tree.

CACHE     ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/loggregator_exporter
TOOLS     := $(CACHE)/bin
LINT      := $(TOOLS)/golangci-lint-v2.15.0
NESTED    := e2e e2e/otlp e2e/programs/kubernetes bench bench/peers tagger/statsdtest
FUZZTIME  ?= 60s

.PHONY: help test unit race elsewhere nested lint corpus learn-score migrate-score fuzz bench bench-million bench-pace bench-cold manifests packages build sbom clean

## help: the targets
help:
	@sed -n 's/^## //p' Makefile

## test: everything that must hold before a change lands
test: lint race elsewhere nested corpus

## build: the exporter, static and reproducible, as bin/exporter
build:
	CGO_ENABLED=0 go build -trimpath -o bin/exporter ./cmd/exporter

## sbom: what is in bin/exporter, as bin/exporter.cdx.json (CycloneDX)
sbom: build
	cd e2e && go run ./deploy/container/sbom ../bin/exporter > ../bin/exporter.cdx.json

## unit: the quick tests
unit:
	go test ./...

## race: all tests of the product under the race detector; what counts allocations runs without it, whose own would be counted
race:
	go vet ./...
	go test -race -timeout 30m ./...
	go test -run 'Alloc' ./...

## elsewhere: the exporter builds for the systems of developers, too
elsewhere:
	for os in darwin windows; do CGO_ENABLED=0 GOOS=$$os go build -o /dev/null ./cmd/exporter || exit 1; done

## nested: the tests of the nested modules, against real programs and peers; the first time they build those, which takes minutes. Go cannot see what programs read, so that no result is kept
nested: packages
	for m in $(NESTED); do (cd $$m && go vet ./... && go test -count=1 -timeout 30m ./...) || exit 1; done

## packages: the programs that tests of e2e run and Go cannot build, from Debian
packages:
	@missing=$$(for p in ruby:ruby shellcheck:shellcheck systemd-analyze:systemd sysctl:procps unshare:util-linux chromium-headless-shell:chromium-headless-shell; do command -v $${p%:*} > /dev/null || echo $${p#*:}; done); \
	[ -z "$$missing" ] || { sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; export DEBIAN_FRONTEND=noninteractive; \
	  $$sudo apt-get install -qy --no-install-recommends $$missing || { $$sudo apt-get update -q && $$sudo apt-get install -qy --no-install-recommends $$missing; }; }

## corpus: how much of the corpus of real names is parsed as expected
corpus:
	go test -run TestCorpus -count=1 -v ./tagger

## migrate-score: how many queries of the shapes of prometheus-boshrelease's are rewritten, and give the same result on a real Prometheus that scrapes for ten minutes
migrate-score:
	cd e2e && go test ./migrate -timeout 40m -run 'TestQueries$$' -v -args -interval 15s | grep -E 'every|queries rewritten|left as|another result|FAIL|^ok'

## learn-score: how much of what exporter learn proposes for the corpora of real names is right, and how much it finds
learn-score:
	go test -run 'TestScore|TestHalves' -count=1 -v ./tagger/learn

## lint: formatting and static checks
lint: $(LINT)
	$(LINT) run ./...
	for m in $(NESTED); do (cd $$m && $(LINT) run -c $(CURDIR)/.golangci.yml ./...) || exit 1; done

$(LINT):
	mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) GOFLAGS= go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	mv $(TOOLS)/golangci-lint $@

## manifests: what deploy/kubernetes has from elsewhere: rules, dashboards, the schema of settings, the manifests that the chart renders
manifests:
	cd e2e && go test ./deploy/kubernetes -run 'TestCopies|TestSchema|TestManifests' -update

## fuzz: every fuzz target for FUZZTIME
fuzz:
	@for p in $$(go list ./...); do \
	  for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p || exit 1; \
	  done; \
	done

## bench: what it costs, with floors and peers in the same run; the first time it builds the peers, which takes minutes
bench:
	cd bench && go test -run '^$$' -bench . -skip '^Benchmark(Million|Pace|PaceFloor|Idle|Cold|Expiry)$$' -benchmem ./...
	cd bench/peers && go test -run '^$$' -bench . ./...

## bench-million: the memory of the running exporter with a million series, in three minutes
bench-million:
	cd bench && go test -run '^$$' -bench '^BenchmarkMillion$$' -benchtime 1x -timeout 30m ./...

## bench-pace: what an envelope costs at the pace of a foundation, and an exporter with nothing to do, with floors; beside the build that BENCH_BASELINE names. Half an hour
bench-pace:
	cd bench && go test -run '^$$' -bench '^Benchmark(Pace|PaceFloor|Idle)$$' -benchtime 1x -timeout 3h ./...

## bench-cold: what a million new series cost, a reload that renames them and their expiry; beside the build that BENCH_BASELINE names. Some ten minutes
bench-cold:
	cd bench && go test -run '^$$' -bench '^Benchmark(Cold|Expiry)$$' -benchtime 1x -timeout 3h ./...

## clean: remove what build made
clean:
	rm -rf bin
