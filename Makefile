# `make` lists the commands.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := $(CURDIR)/.venv
LOCAL := .venv/.local-ready
DEV := .venv/.dev-ready
COMPOSE := scripts/compose.sh
# Which services of compose.yaml run: cpu, or gpu (needs the NVIDIA container toolkit).
PROFILE ?= cpu
TASK ?= triton
SHOWCASE = $(if $(filter triton,$(TASK)),body,$(TASK))
export PATH := $(VENV)/bin:$(PATH)

.PHONY: help
help:  ## list the commands
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(LOCAL): pyproject.toml scripts/venv.sh
	@scripts/venv.sh local
	@touch $@

$(DEV): pyproject.toml scripts/venv.sh
	@scripts/venv.sh local,dev
	@touch $(LOCAL) $@

.PHONY: install
install: $(LOCAL)  ## make the virtual environment (the other commands do it by themselves)

.PHONY: demo
demo: $(LOCAL)  ## train a real model before your eyes (TASK=triton or extraction, SHORT=1)
	@burnish demo --task $(TASK) $(if $(SHORT),--short)

.PHONY: showcase
showcase: $(DEV)  ## run a study of examples/triton and report it in docs/ (TASK=body or kernel, SHORT=1)
	@python -m examples.triton.showcase run $(SHOWCASE) $(if $(SHORT),--short)
	@$(if $(SHORT),,python -m examples.triton.showcase report $(SHOWCASE))

.PHONY: test
test: $(DEV)  ## run the tests, after making ready what they need (ARGS="-k word")
	@scripts/test_tools.sh
	@OMP_NUM_THREADS=1 python -m pytest $(ARGS)

.PHONY: test-sandbox
test-sandbox: $(DEV)  ## attack the reward sandbox, judge the suite of kernels, soak the lanes
	@scripts/test_tools.sh
	@OMP_NUM_THREADS=1 python -m pytest tests/attacks tests/kernels tests/soak $(ARGS)

.PHONY: test-chaos
test-chaos: $(DEV)  ## kill services and lanes while real jobs run
	@scripts/test_tools.sh
	@OMP_NUM_THREADS=1 python -m pytest tests/chaos $(ARGS)

.PHONY: test-containers
test-containers: $(DEV) images  ## run a short job through the containers of compose.yaml
	@BURNISH_TEST_CONTAINERS=1 python -m pytest tests/e2e/test_compose.py $(ARGS)

.PHONY: lint
lint: $(DEV)  ## check style, types, contracts and shell scripts
	@ruff check .
	@ruff format --check .
	@mypy
	@mypy benchmarks
	@buf lint
	@if command -v shellcheck >/dev/null; then shellcheck .ci/run scripts/*.sh deploy/healthcheck deploy/copy_models; fi

.PHONY: proto
proto: $(DEV)  ## generate burnish/v1 from proto/
	@scripts/proto.sh

.PHONY: docs
docs: $(DEV)  ## generate docs/events.md, docs/asyncapi.yaml and docs/configuration.md
	@python scripts/events.py
	@python scripts/configuration.py

.PHONY: images
images:  ## build the container images
	@scripts/images.sh --profile $(PROFILE)

.PHONY: up
up: images  ## build and start the containers of compose.yaml (PROFILE=gpu)
	@$(COMPOSE) --profile $(PROFILE) up --detach --wait
	@echo "console: http://127.0.0.1:$${BURNISH_HTTP_PORT:-8080}   gRPC: 127.0.0.1:$${BURNISH_GRPC_PORT:-50051}   stop: make down"

.PHONY: down
down:  ## stop the containers; what they stored stays
	@$(COMPOSE) --profile '*' down

.PHONY: clean
clean:  ## remove what the commands made: environments, caches, wheels (not your jobs)
	@rm -rf .venv .venv-vllm .venv-trl build ./*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find deploy/wheels -type f ! -name .gitkeep -delete
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
