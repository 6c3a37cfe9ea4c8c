# Versions of the tools, in this place only.
GOLANGCI  := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
BENCHSTAT := go run golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da

COMMIT  ?= $(shell git rev-parse --short HEAD 2>/dev/null)
LDFLAGS := -s -w -X main.commit=$(COMMIT)

.PHONY: help build check lint test clients twilio chart kubernetes faults cover fuzz bench bench-against bench-memory bench-growth bench-start bench-go bench-stat capacity demo image deployed fmt

help: ## print the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

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

# A module of its own: generators and clients are no dependencies of the service. Without
# -count=1 go test does not see a change of openapi.yaml, which is outside the module.
clients: ## generate two Go clients from api/openapi.yaml, and run them against the service
	cd api/clienttest && go vet ./... && go mod verify && go mod tidy -diff && go test -count=1 ./openapi

twilio: ## run Twilio's Go client, and the requests of its Python and Node clients, against the service
	cd api/clienttest && go vet ./twilio/... && go test -count=1 ./twilio/...

# A module of its own: Helm and Kubernetes are no dependencies of the service.
chart: ## lint the Helm chart, and test what it renders
	cd deploy/helm/test && go vet ./... && go mod verify && go mod tidy -diff && go test ./...

# Also a module of its own. Where it cannot run it says why; with REQUIRE_KUBERNETES=1 it fails there.
kubernetes: ## install the chart on a real Kubernetes, and write deploy/helm/kubernetes.md
	cd deploy/helm/kubernetes && nice -n 19 go build -o bin/ . && bin/kubernetes

faults: ## cause every fault of TestFaults, and write deploy/faults.md
	REQUIRE_REDIS=1 FAULTS_TABLE=$(CURDIR)/deploy/faults.md go test -count=1 -run '^TestFaults$$' -timeout 15m ./cmd/sms-verification

cover: ## write cov-report/index.html
	mkdir -p cov-report
	go test -coverpkg=./... -coverprofile=cov-report/cover.out ./...
	go tool cover -html=cov-report/cover.out -o cov-report/index.html

fuzz: ## fuzz the decoder, the message template and the settings, 30 s each
	go test -run '^$$' -fuzz FuzzDecodeObject -fuzztime 30s -fuzzminimizetime 10x ./api
	go test -run '^$$' -fuzz FuzzTemplate -fuzztime 30s -fuzzminimizetime 10x ./codes
	go test -run '^$$' -fuzz FuzzYAML -fuzztime 30s -fuzzminimizetime 10x ./config

bench: ## measure the built service and a baseline, with Redis on loopback and 1 ms away; ARGS='-rounds 3'
	go run ./cmd/bench speed $(ARGS)

bench-against: ## the same for another commit and the working tree, and bytes per pending entry: make bench-against BASE=main
	dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT INT TERM && git archive $(BASE) | tar -x -C "$$dir" && \
	go run ./cmd/bench speed -service base="$$dir",here=. $(ARGS) && \
	go run ./cmd/bench memory -service base="$$dir",here=. -entries 100000

bench-memory: ## measure the bytes of Redis memory for a pending entry
	go run ./cmd/bench memory $(ARGS)

bench-growth: ## measure with 1,000 to 1,000,000 live entries, and with 1, 2 and 4 replicas
	go run ./cmd/bench growth $(ARGS)

bench-start: ## measure start time, memory and size of a replica, compared with their targets
	go run ./cmd/bench start $(ARGS)

capacity: ## measure all of that, and write the tables of deploy/capacity.md
	go run ./cmd/bench capacity $(ARGS)

bench-go: ## run the Go benchmarks of the hot path, with their allocations
	go test -run '^$$' -bench . -benchmem $(ARGS) ./api ./codes ./redisstore

bench-stat: ## compare two outputs of bench-go: make bench-stat OLD=old.txt NEW=new.txt
	$(BENCHSTAT) $(OLD) $(NEW)

demo: ## show one verification from end to end
	go run ./cmd/sms-verification demo

image: ## build the image of the service and that of its tests
	docker build --build-arg COMMIT=$(COMMIT) -t sms-verification .
	docker build --target test -t sms-verification-test .

deployed: ## test the images and the compose file
	bash deploy/test/compose.sh

fmt: ## format
	gofmt -w .
