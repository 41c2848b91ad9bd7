# The commands of this project; `make help` lists them.

STACK   ?= dev
SERVICE ?= book
PORT    ?= 8080
# More arguments for the command that the target runs: make up ARGS=--refresh
ARGS    ?=

export STACK SERVICE YES TOKEN REQUEST

# As it was given: it may come from a log, and make would run what is in $(shell ...).
override REQUEST := $(value REQUEST)

modules := . apps
tool    := go tool -modfile=$(CURDIR)/scripts/tools/go.mod
shells  := $(wildcard scripts/stack scripts/smoke scripts/e2e scripts/comment scripts/lib.sh .ci/run consumer/signed-curl)

.DEFAULT_GOAL := help
.PHONY: help local run up preview smoke outputs connect trace destroy test lint vulncheck fmt generate images e2e e2e-all faults bench

help: ## List the commands
	@echo "usage: make COMMAND [STACK=$$STACK] [SERVICE=$$SERVICE] [ARGS=...]"
	@awk -F ':.*## ' '/^## /{print "\n" substr($$0, 4)} /^[a-z0-9-]+:.*## /{printf "  %-10s%s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

## Without AWS

local run: export PORT := $(PORT)

local: ## Run the whole stack on this machine, on http://localhost:8080 (PORT=8081: on another port)
	@go build -o .build/local ./local
	@exec .build/local up -port "$$PORT" $(ARGS)

run: ## Run one service alone: make run SERVICE=author PORT=8081
	@test -f "apps/$$SERVICE/main.go" || { echo "There is no service $$SERVICE, only:" $(patsubst apps/%/main.go,%,$(wildcard apps/*/main.go)); exit 1; }
	cd apps && HOST=127.0.0.1 go run "./$$SERVICE"

## On AWS

up: ## Create or update the stack (YES=1: without asking)
	@scripts/stack up $(ARGS)

preview: ## Show what `make up` would change
	@scripts/stack preview $(ARGS)

smoke: ## Call every service through the public API and check which version answers
	@scripts/smoke

outputs: ## Print the stack's outputs: URLs, names, digests
	@scripts/stack outputs $(ARGS)

connect: ## Open a shell on the bastion
	@scripts/stack connect

trace: ## Say where a request stops: REQUEST=/api/books, FROM=book TO=author, or SYMPTOM=503
	@scripts/stack trace $(ARGS)

destroy: ## Delete the stack (YES=1: without asking)
	@scripts/stack destroy $(ARGS)

## Development

test: lint ## Run linters and unit tests; needs no AWS, Docker or simulator
	go test -C apps -timeout 10m ./...
	@# -short skips e2e, which takes half an hour if Pulumi and a simulator are installed.
	go test -short -timeout 20m ./...

images: ## Build the images with a Docker engine, and run them as ECS does
	IMAGES=1 go test -count=1 -timeout 20m -v -run '^TestImages$$' ./stack

lint: ## Check formatting, code, workflows and, if shellcheck is installed, scripts
	@unformatted=$$(gofmt -l *.go */); test -z "$$unformatted" || { echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; }
	@echo '== go vet and staticcheck (the first run compiles the AWS SDKs, which takes minutes)'
	@set -e; for module in $(modules); do ( set -ex; cd $$module; go vet ./...; $(tool) staticcheck ./... ); done
	$(tool) actionlint $(wildcard .github/workflows/*.yml)
	@if command -v shellcheck >/dev/null; then set -x; shellcheck -x $(shells); else echo '== shellcheck is not installed, so the scripts were not checked'; fi

# With the Go version that builds the images, as vulnerabilities of the standard library count too.
vulncheck: ## Look for known vulnerabilities in the services; needs the internet
	cd apps && GOTOOLCHAIN=go$$(sed -n 's/^FROM .*golang:\([0-9.]*\).*/\1/p' Dockerfile) $(tool) govulncheck ./...

fmt: ## Format the code
	gofmt -w *.go */

generate: ## Write what comes from the code: settings in Pulumi.yaml and docs/, costs, the picture in the README
	go test ./stack -run '^TestGenerated' -update

# scripts/e2e fails if Pulumi or the simulator is missing. Without it, these tests would only skip.
e2e: ## Test the whole life of a stack on the AWS simulator: half an hour
	scripts/e2e go test -count=1 -parallel 4 -timeout 40m $(ARGS) ./e2e/...

e2e-all: ## The same, with everything that does not fit in half an hour
	E2E_FAULTS=all scripts/e2e go test -count=1 -parallel 4 -timeout 180m $(ARGS) ./e2e/...

faults: ## Test every fault instead of the sample in e2e: an hour
	E2E_FAULTS=all scripts/e2e go test -count=1 -parallel 4 -timeout 120m -v -run '^TestFaults$$' $(ARGS) ./e2e

bench: ## Measure the figures in docs/testing.md: services under load, stacks of many services, the first up
	@scripts/e2e
	go run -C apps ./internal/bench
	go test -C apps -run '^$$' -bench . ./...
	E2E_BENCH=1 scripts/e2e go test -count=1 -timeout 120m -run '^(TestManyServices|TestFirstUp)$$' -v ./e2e
