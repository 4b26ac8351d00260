# What CI calls is what stands here.

.SHELLFLAGS := -eu -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
FUZZTIME ?= 10s
BENCHFLAGS ?= -enforce
CACHE   := $(CURDIR)/.cache
LINT    := $(CACHE)/bin/golangci-lint
# The race detector needs a C compiler; without one the tests run without it.
RACE    := $(shell [ "$$(go env CGO_ENABLED)" = 1 ] && command -v "$$(go env CC)" >/dev/null 2>&1 && echo -race)

.PHONY: help build demo check fmt lint vet floors race test test-real bench fuzz clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/fairlead
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/fairlead ./cmd/fairlead

demo: build ## a gateway, a stand-in model and an MCP server: see a streamed answer that used tools
	bin/fairlead demo

test: build ## everything that needs only Go
	go test ./...
	cd test && go test ./...

race: ## the tests under the race detector (without it where there is no C compiler)
	go test $(RACE) ./...

check: lint vet floors race ## format, lint, vet, import floors, the race detector

fmt: $(LINT) ## write the code in its format
	$(LINT) fmt ./...

lint: $(LINT) ## golangci-lint, formats included
	$(LINT) run ./...
	cd test && $(LINT) run --config ../.golangci.yml --build-tags real ./...

# Built from its own module, which never enters this one's graph.
$(LINT): tools/go.mod tools/go.sum
	@mkdir -p $(@D)
	cd tools && CGO_ENABLED=0 go build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

vet:
	go vet ./...
	cd test && go vet -tags real ./...

floors: ## the import floors, and the drawing made from their table
	go test ./internal/floors

test-real: build ## real MCP servers, real clients, a real model: installs them into .cache/real; a real PostgreSQL, if FAIRLEAD_TEST_POSTGRES names one
	test/real/install
	go test -count=1 -v ./internal/store/postgres
	cd test && go test -tags real -count=1 -timeout 15m -v ./state/... ./real/...

bench: build ## the gateway's cost against nginx and a direct call, in one run
	cd test && go run ./bench $(BENCHFLAGS)

fuzz: ## every fuzz target for FUZZTIME (10s) each
	@grep -rlE '^func Fuzz' --include='*_test.go' internal | sort | while read -r file; do \
	  grep -oE '^func Fuzz[A-Za-z0-9_]+' "$$file" | cut -d' ' -f2 | while read -r target; do \
	    test/fuzz "./$$(dirname "$$file")" "$$target" $(FUZZTIME); \
	  done; \
	done

clean: ## remove what was built and installed
	rm -rf bin .cache
