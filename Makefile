# One target for each thing that a person does. `make help` lists them.

PREFIX ?= /usr/local
FUZZ_DIR ?= bin/fuzz
VERSION = $(shell tools/release/version.sh)
# git, or the archive, has told the version: go need not ask it, and fail where git will not answer
GO_BUILD = CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X github.com/mlxlens/mlxlens/cmd/mlxlens/internal/cli.version=$(VERSION)"
STATICCHECK = go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
ACTIONLINT = go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
CYCLONEDX = go run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
GOVULNCHECK = go run golang.org/x/vuln/cmd/govulncheck@v1.9.0
SHELL_SCRIPTS = .ci/run tools/*/*.sh third_party/*.sh third_party/*/*.sh
WITHOUT_MLX = ./tokenizer ./tokenizer/jinja ./checkpoint ./checkpoint/npz ./hub ./lens/render
RACE = ./mlx/... ./hub ./tokenizer ./checkpoint ./model/... ./edit ./states ./lens ./lens/tuned ./generate ./serve/...

.PHONY: help serve-load browser run mlx-c model build quick test coverage lint race cross site man dist source sbom formula checksums test-gpu test-arm64 mac-report generate bench fuzz chat-fuzz hostile kill install wheel wheel-try clean fuzz-tokenizers

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: mlx-c model build ## fetch and build all that is needed, and trace a prompt
	bin/mlxlens trace "The capital of France is"

mlx-c: ## get or build the MLX library
	@third_party/mlx-c/build.sh

MODEL ?= smollm2
model: ## fetch SmolLM2-135M-Instruct, or with MODEL=gemma3-270m Gemma 3 270M
	@if [ ! -x third_party/$(MODEL)/fetch.sh ]; then echo 'MODEL=$(MODEL): want smollm2 or gemma3-270m'; exit 2; fi
	@third_party/$(MODEL)/fetch.sh

build: ## build bin/mlxlens
	$(GO_BUILD) -o bin/mlxlens ./cmd/mlxlens

quick: mlx-c ## check format and vet, and run the short tests: under a minute, after each change
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w on these files'; exit 1; }
	go vet ./...
	go test -short ./...

# Go's ten minutes are few for a package that starts hundreds of programs, on a busy machine.
test: mlx-c model browser lint cross ## run every check and every test
	go test -timeout 30m ./...
	go test -tags mlxgate ./mlx/... ./model/auto ./lens ./generate
	$(MAKE) --no-print-directory race

coverage: ## print which of the repositories in testdata/coverage open, by model_type
	@go test -count 1 -run TestCoverage -v ./model/auto

browser: ## get a Chromium for the tests of the HTML page, as root on Debian
	@for c in "$$MLXLENS_CHROMIUM" chromium chromium-browser google-chrome; do \
		if [ -n "$$c" ] && command -v "$$c" >/dev/null; then exit 0; fi; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else \
		echo 'there is no Chromium, so the tests of the HTML page are skipped: install it, or name it in $$MLXLENS_CHROMIUM'; \
	fi

race: mlx-c ## run what uses goroutines under the race detector
	CGO_ENABLED=1 go test -timeout 30m -short -race $(RACE)
	CGO_ENABLED=1 go test -timeout 30m -short -race -run 'Rows|Restored|Merged' ./lens/jacobian # all of it takes minutes more

lint: ## check format, vet, staticcheck, workflows, shell scripts and known vulnerabilities
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w on these files'; exit 1; }
	go vet ./...
	$(STATICCHECK) ./...
	$(ACTIONLINT)
	@if command -v shellcheck >/dev/null; then shellcheck -x -S warning -P SCRIPTDIR $(SHELL_SCRIPTS); else echo "shellcheck is not there: the shell scripts are not checked"; fi
	@if curl -fsI -m 10 "$${GOVULNDB:-https://vuln.go.dev}/index/db.json" >/dev/null 2>&1; then $(GOVULNCHECK) ./...; \
	else echo "govulncheck is skipped: its database ($${GOVULNDB:-https://vuln.go.dev}) is out of reach"; fi

cross: ## vet for the other platforms, and build the tests of what needs no MLX for Windows
	CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 go vet ./...
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 go vet ./...
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go vet $$(GOOS=windows go list -deps $(WITHOUT_MLX) | grep '^github.com/mlxlens/mlxlens')
	@mkdir -p bin/windows
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go test -c -o bin/windows/ $(WITHOUT_MLX)

generate: ## write the generated files again
	go generate ./...

bench: mlx-c model ## measure speed: the lens beside the bare product, generation beside mlx-lm
	go test -run '^$$' -bench . -benchtime 5x ./lens ./model/auto ./generate
	go test -run '^$$' -bench . ./mlx ./checkpoint ./tokenizer
	@tools/bench/beside.sh
	@tools/golden/peers.sh

fuzz: mlx-c ## look for inputs that break the readers, a minute each, and for calls that break mlx, a million
	MLXLENS_FUZZ_CALLS=1000000 MLXLENS_FUZZ_SEED=$$(date +%s) go test -count 1 -timeout 30m -run TestAnyCallIsSurvived -v ./mlx
	go test -run '^$$' -fuzz FuzzOps -fuzztime 60s ./mlx
	go test -run '^$$' -fuzz FuzzReadNpy -fuzztime 60s ./mlx
	go test -run '^$$' -fuzz FuzzReadSafetensors -fuzztime 60s ./mlx
	go test -run '^$$' -fuzz FuzzLoadGGUF -fuzztime 60s ./mlx
	go test -run '^$$' -fuzz FuzzSafetensorsHeader -fuzztime 60s ./checkpoint
	go test -run '^$$' -fuzz FuzzGGUF -fuzztime 60s ./checkpoint
	go test -run '^$$' -fuzz FuzzRead -fuzztime 60s ./checkpoint/npz
	go test -run '^$$' -fuzz FuzzTorch -fuzztime 60s ./internal/torchfile
	go test -run '^$$' -fuzz FuzzRepeated -fuzztime 60s ./internal/exactjson
	go test -run '^$$' -fuzz FuzzEncode -fuzztime 60s ./tokenizer
	go test -run '^$$' -fuzz FuzzFromJSON -fuzztime 60s ./tokenizer
	go test -run '^$$' -fuzz FuzzPattern -fuzztime 60s ./tokenizer
	go test -run '^$$' -fuzz FuzzTemplate -fuzztime 60s ./tokenizer/jinja

chat-fuzz: ## compare 20,000 random chat templates with jinja2, by MLXLENS_PYTHON, which has transformers
	cd tools/golden && $${MLXLENS_PYTHON:-python3} -W ignore chat_fuzz.py ../../tokenizer/jinja/testdata $$(date +%s) 20000 > ../../chat-fuzz.jsonl
	MLXLENS_JINJA_FUZZ=$(CURDIR)/chat-fuzz.jsonl go test -count 1 -run TestRandomTemplates -v ./tokenizer/jinja

kill: mlx-c ## kill batches, pulls and pictures at random moments, 200 times each: nothing lost, nothing half
	MLXLENS_KILLS=200 go test -count 1 -timeout 60m -run 'TestAKilled' -v ./cmd/mlxlens

serve-load: mlx-c model ## 64 clients ask a server for a minute, every answer right; the page scrolls 1,000 tokens: latencies and frame times
	go test -run '^$$' -bench SixtyFourClients -benchtime 60s -timeout 30m ./cmd/mlxlens/internal/cli
	go test -run '^$$' -bench FramesOf -benchtime 1x -timeout 30m ./cmd/mlxlens/internal/cli

hostile: mlx-c ## run the program on thousands of mutated files, and count what comes of it by kind
	MLXLENS_HOSTILE=$${MLXLENS_HOSTILE:-1000} MLXLENS_HOSTILE_SEED=$${MLXLENS_HOSTILE_SEED:-$$(date +%s)} \
		go test -count 1 -timeout 60m -run TestMutatedFilesAreRefusedOrRead -v ./cmd/mlxlens

fuzz-tokenizers: ## compare 20,000 random texts a tokenizer with Hugging Face's (COUNT, SEED, MLXLENS_PYTHON), in FUZZ_DIR
	@tools/golden/fuzz.sh "$(FUZZ_DIR)"

install: mlx-c ## install what `make build` built, and its library, under PREFIX
	@test -x bin/mlxlens || $(MAKE) --no-print-directory build
	@tools/release/install.sh "$(DESTDIR)$(PREFIX)"

wheel: ## build the Python wheel for this machine into dist/, or with TARGET=Linux-aarch64 or Darwin-arm64 (and MLX_C_CXX) for another; check it
	@tools/wheel/build.sh $(TARGET)

wheel-try: model ## install the wheel in dist/ with pip, uv and pipx into empty environments, and trace a prompt with each
	@mkdir -p dist
	@tools/wheel/try.sh dist models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf

site: ## make the documentation a static site in bin/site
	@rm -rf bin/site
	go run ./tools/site . bin/site

man: ## write the man pages into bin/man
	@rm -rf bin/man
	go run ./cmd/mlxlens/internal/pages man bin/man

# The archive has a library, also of a Mac where Homebrew has one, and no part of CUDA, which is not ours to give away. Make would
# take blanks before a comment into the value.
dist: export MLX_C_RELEASE = 1
dist: export MLX_C_BACKEND = $(if $(filter Darwin,$(shell uname -s)),metal,cpu)
dist: mlx-c build man ## make this machine's archive of a release in dist/
	@tools/release/archive.sh "$(VERSION)"

source: ## make the source archive of a release in dist/
	@tools/release/source.sh "$(VERSION)"

sbom: build ## list what a release holds, with licences, as CycloneDX, in dist/
	@mkdir -p dist
	GOFLAGS=-trimpath $(CYCLONEDX) bin -json -std -noserial -notimestamp -version "$(VERSION)" -output bin/modules.cdx.json bin/mlxlens
	go run ./internal/notices bin/modules.cdx.json "dist/mlxlens-$(VERSION).cdx.json"

formula: ## write the Homebrew formula of a tap, dist/mlxlens.rb, for what `make source` made
	@tools/release/formula.sh "$(VERSION)"

checksums: ## write dist/SHA256SUMS
	@tools/release/checksums.sh

test-gpu: model ## run the tests where a GPU computes: CUDA rounds what goes into float32 products to 10 bits unless told not to
	@[ "$$(uname -s)" = Darwin ] || python3 -c 'import ctypes; ctypes.CDLL("libcuda.so.1")' 2>/dev/null || { echo "test-gpu: libcuda.so.1, which NVIDIA's driver brings, is not here" >&2; exit 1; }
	@MLX_C_BACKEND=cuda third_party/mlx-c/build.sh
	@go run ./cmd/mlxlens doctor --json 2>/dev/null | grep -q '"devices":\["cpu","gpu"\]' || { echo "test-gpu: no GPU is here that the library computes with: see bin/mlxlens doctor" >&2; exit 1; }
	MLX_ENABLE_TF32=0 MLX_PTX_CACHE_DIR=$(CURDIR)/bin/kernels/mlx CUDA_CACHE_PATH=$(CURDIR)/bin/kernels/cuda go test -timeout 2h ./...

test-arm64: ## run the vector loops for linux/arm64 under qemu-user, or with PART=all the short tests of what computes
	@tools/arm64/test.sh $(PART)

mac-report: ## print all that we want to know of a Mac (on Linux what can be told there), also into bin/mac-report.txt
	@tools/mac/report.sh

clean: ## remove what was built; the model stays
	rm -rf bin third_party/mlx-c/build third_party/mlx-c/lib third_party/mlx-c/lib-*
