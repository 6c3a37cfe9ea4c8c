# Versions of the tools, in this place only.
GOLANGCI := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
COMMIT  ?= $(shell git rev-parse --short HEAD 2>/dev/null)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

.PHONY: help build check lint test faults cover fuzz bench demo image deployed fmt

help: ## print the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

build: ## build the static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' ./cmd/sms-verification

check: ## format, vet, lint, and test with the race detector
	test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	go vet ./...
	$(MAKE) lint
	go test -race ./...

lint: ## run the linters
	$(GOLANGCI) run

test: ## run the tests; with redis-server installed they use it too
	go test ./...

faults: ## break everything that can break, and write deploy/faults.md
	REQUIRE_REDIS=1 FAULTS_TABLE=$(CURDIR)/deploy/faults.md go test -count=1 -run '^TestFaults$$' -timeout 15m ./cmd/sms-verification

cover: ## write cov-report/index.html
	mkdir -p cov-report
	go test -coverpkg=./... -coverprofile=cov-report/cover.out ./...
	go tool cover -html=cov-report/cover.out -o cov-report/index.html

fuzz: ## fuzz the decoder, the message template and the settings, 30 s each
	go test -run '^$$' -fuzz FuzzDecodeObject -fuzztime 30s -fuzzminimizetime 10x ./api
	go test -run '^$$' -fuzz FuzzTemplate -fuzztime 30s -fuzzminimizetime 10x ./codes
	go test -run '^$$' -fuzz FuzzYAML -fuzztime 30s -fuzzminimizetime 10x ./config

bench: ## measure the store against a real Redis
	go test -run '^$$' -bench . -benchmem ./redisstore ./codes

demo: ## show one verification from end to end
	go run ./cmd/sms-verification demo

image: ## build the image of the service and that of its tests
	docker build --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) -t sms-verification .
	docker build --target test -t sms-verification-test .

deployed: ## try the images and the compose file
	bash deploy/test/compose.sh

fmt: ## format
	gofmt -w .
