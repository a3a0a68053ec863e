# Everything a contributor runs. `make check` before every commit, `make test`
# for the whole. Nothing here needs more than Go, make and, for the real
# servers, the distribution's packages, which `make test` and `make demo`
# install where they are missing and it may.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
GO ?= go
BIN := bin

.PHONY: all build console check fmt vet lint house unit test demo bench soak clean need-postgres need-mariadb demo-mariadb need-ssh need-tools need-web

all: build

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/curfew ./cmd/curfew

# --- before every commit: under a minute when warm ---
check: fmt vet lint unit

fmt:
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "not formatted:"; echo "$$out"; exit 1; fi

vet:
	@$(GO) vet ./...

lint: $(BIN)/staticcheck
	@$(BIN)/staticcheck ./...

$(BIN)/staticcheck: tools/go.mod
	@mkdir -p $(BIN)
	@cd tools && $(GO) build -o ../$(BIN)/staticcheck honnef.co/go/tools/cmd/staticcheck

house:
	@$(GO) test .

unit: # four at a time: those with real servers mostly wait for them
	@$(GO) test -short -p 4 ./...

# --- everything, with real servers ---
test: need-postgres need-mariadb need-ssh need-tools build
	@scripts/test

# --- the story, then a gateway to play with; ONCE=1 ends after the story ---
demo: need-postgres need-ssh demo-mariadb build
	@ONCE=$(ONCE) $(BIN)/curfew demo

need-postgres:
	@scripts/need-postgres

demo-mariadb: # the story goes without it, and says so
	@scripts/need-mariadb || true

need-mariadb:
	@scripts/need-mariadb

need-ssh:
	@scripts/need-ssh

need-tools:
	@scripts/need-tools

need-web:
	@scripts/need-web

# --- the console's build, which is committed: the only thing that needs Node ---
console:
	@scripts/console

bench:
	@scripts/need-haproxy || true
	@$(GO) test ./bench -run '^$$' -bench . -benchtime $${BENCHTIME:-1s} -count $${COUNT:-3} -timeout 30m

soak: need-postgres need-mariadb need-ssh need-tools need-web
	@CURFEW_BROWSER=$(CURDIR)/$(BIN)/browse $(GO) test -tags soak -timeout 4h ./...

clean:
	rm -rf $(BIN)
