# The commands of this project; `make help` lists them.

STACK   ?= dev
SERVICE ?= book
PORT    ?= 8080
# More arguments for the command behind the target: make up ARGS=--refresh
ARGS    ?=

export STACK YES TOKEN

modules := . apps
tool    := go tool -modfile=$(CURDIR)/scripts/tools/go.mod
shells  := $(wildcard scripts/stack scripts/smoke scripts/lib.sh .ci/run)

.DEFAULT_GOAL := help
.PHONY: help local up preview smoke outputs connect destroy run test lint fmt e2e faults bench

help: ## List the commands
	@echo 'usage: make COMMAND [STACK=$(STACK)] [SERVICE=$(SERVICE)] [ARGS=...]'
	@awk -F ':.*## ' '/^## /{print "\n" substr($$0, 4)} /^[a-z0-9]+:.*## /{printf "  %-10s%s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

## Without AWS

local: ## Run the whole stack on this machine, on http://localhost:8080 (PORT=8081: on another port)
	@go build -o .build/local ./local
	@exec .build/local up -port $(PORT) $(ARGS)

run: ## Run one service alone: make run SERVICE=author PORT=8081
	@test -f apps/$(SERVICE)/main.go || { echo 'There is no service $(SERVICE), only:' $(patsubst apps/%/main.go,%,$(wildcard apps/*/main.go)); exit 1; }
	cd apps && HOST=127.0.0.1 PORT=$(PORT) go run ./$(SERVICE)

## On AWS

up: ## Bring the stack up, from nothing or from what is there (YES=1: without asking)
	@scripts/stack up $(ARGS)

preview: ## Show what `make up` would change
	@scripts/stack preview $(ARGS)

smoke: ## Ask every service through the public path; compare versions with the stack
	@scripts/smoke

outputs: ## Print the stack's outputs: URLs, names, digests
	@scripts/stack outputs $(ARGS)

connect: ## Open a shell on the bastion
	@scripts/stack connect

destroy: ## Take the stack down (YES=1: without asking)
	@scripts/stack destroy $(ARGS)

## Development

test: lint ## All that needs neither AWS nor a simulator: linters and unit tests
	go test -C apps -timeout 10m ./...
	@# -short: the life of a stack takes half an hour where an engine and a simulator happen to be installed.
	go test -short -timeout 20m ./...

lint: ## Formatting, go vet, staticcheck; shellcheck where it is; workflows
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; }
	@echo '== go vet and staticcheck (the first time compiles the AWS SDK of Pulumi: minutes)'
	@set -e; for module in $(modules); do ( set -ex; cd $$module; go vet ./...; $(tool) staticcheck ./... ); done
	$(tool) actionlint $(wildcard .github/workflows/*.yml)
	@if command -v shellcheck >/dev/null; then set -x; shellcheck -x $(shells); else echo '== shellcheck is not installed: scripts were not checked'; fi

fmt: ## Format the code
	gofmt -w .

e2e: ## The life of a stack on the AWS simulator: up, changes, drift, faults, destroy
	go test -count=1 -parallel 4 -timeout 40m $(ARGS) ./e2e/...

faults: ## Every fault instead of the sample in e2e: an hour
	E2E_FAULTS=all go test -count=1 -parallel 4 -timeout 120m -v -run '^TestFaults$$' $(ARGS) ./e2e

bench: ## Figures of the README: services under load, stacks of many services
	go run -C apps ./internal/bench
	go test -C apps -run '^$$' -bench . ./...
	E2E_BENCH=1 go test -count=1 -timeout 120m -run '^TestManyServices$$' -v ./e2e
