# Maskwatch. Every word here is also what CI calls.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(firstword $(foreach python,python3.11 python3 python,$(shell command -v $(python) >/dev/null 2>&1 && $(python) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo $(python))))
BIN := .venv/bin
MEMBERS := proto runtime services/edge_detector services/dispatcher services/ingress services/notifier devstack
# Each core its own share of the tests; what only integration tests use stays out.
IN_PARALLEL := --numprocesses logical --maxprocesses 4 --dist worksteal -p no:schemathesis
CODE := $(MEMBERS) tests benchmarks faults
PROFILE ?= plain
# Of make fuzz. Not from the environment: every bash has a variable of this name.
ifneq ($(origin SECONDS),command line)
SECONDS := 60
endif
SECONDS_EACH = $(shell echo $$(( ($(SECONDS) + 2) / 3 )))
SCHEMAS := maskwatch_proto/alert.proto maskwatch_proto/device_event.proto

.PHONY: help setup demo demo-check check lint format types unit integration e2e faults faults-table soak mutations compose-check training-setup training-test test bench bench-edge eval fuzz audit proto requirements clean

help: ## Show these words
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

setup: .venv/.installed ## Install everything into .venv (needs Python 3.11 and nothing else)

.venv/.installed: requirements/dev.txt $(addsuffix /pyproject.toml,$(MEMBERS) training)
	@[[ -n "$(PYTHON)" ]] || { echo 'Maskwatch needs Python 3.11: install it (Debian 12: apt install python3.11-venv; anywhere: pyenv install 3.11) or run make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@echo 'Installing (a minute or two the first time) ...'
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps $(addprefix --editable ,$(MEMBERS) training)
	@touch $@

demo: setup ## The whole system on a demo clip; a mail in an inbox you can look at
	@$(BIN)/python -m devstack demo

demo-check: setup ## The same without a person: exit 0 only if exactly the expected mails and rows are there
	@$(BIN)/python -m devstack demo --check

check: lint types unit ## What to run before a commit

lint: setup ## ruff: rules and format
	$(BIN)/ruff check $(CODE) training
	$(BIN)/ruff format --check $(CODE) training

format: setup ## ruff: repair what can be repaired
	$(BIN)/ruff check --fix $(CODE) training
	$(BIN)/ruff format $(CODE) training

types: setup ## mypy, strict
	$(BIN)/mypy $(addsuffix /src,$(MEMBERS)) tests benchmarks faults

# Compiled once, not in every run, whatever the shell says: half of the time.
unit: export PYTHONDONTWRITEBYTECODE :=
unit: setup ## Unit tests: no network, no sleep
	$(BIN)/pytest $(IN_PARALLEL) tests/unit

integration: setup ## Tests on real Kafka, PostgreSQL and SMTP
	$(BIN)/pytest tests/integration

e2e: setup ## Services as processes: a picture in, a mail out (PROFILE=secure: TLS, logins and rights)
	@case '$(PROFILE)' in plain) set -- --ignore=tests/e2e/secure tests/e2e;; secure) set -- tests/e2e/secure;; \
		*) echo 'PROFILE is plain or secure, not $(PROFILE)' >&2; exit 2;; esac; $(BIN)/pytest "$$@"

faults: setup ## Break the path on purpose (CASES=F9,F24 SEEDS=20 FIRST_SEED=1 WORKERS=3; what passed is not run again with SEEDS)
	$(BIN)/pytest tests/faults --seeds $(or $(SEEDS),1) --first-seed $(or $(FIRST_SEED),1) --cases '$(CASES)' $(if $(SEEDS),--resume) $(if $(WORKERS),--numprocesses $(WORKERS) --dist worksteal) $(ARGS)

soak: setup ## The whole path at half its capacity for MINUTES=30, something broken every 20 s
	$(BIN)/python -m faults.soak --minutes $(or $(MINUTES),30) $(ARGS)

mutations: setup ## Break promises in a copy of the sources: the fault suite has to notice each
	$(BIN)/python -m faults.mutations $(ARGS)

faults-table: setup ## Write docs/reliability.md from what make faults has run
	$(BIN)/python -m faults.table

compose-check: setup ## Bring up docker-compose.yml for real, kill each container, compare (needs Docker)
	$(BIN)/python -m tests.e2e.compose.check

training-setup: .venv-training/.installed ## Install maskwatch-train into .venv-training (several GB)

.venv-training/.installed: training/requirements.txt training/pyproject.toml
	@[[ -n "$(PYTHON)" ]] || { echo 'Maskwatch needs Python 3.11' >&2; exit 1; }
	@echo 'Installing PyTorch and the converters (several GB, some minutes the first time) ...'
	@$(PYTHON) -m venv .venv-training
	@.venv-training/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement training/requirements.txt
	@.venv-training/bin/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable training
	@touch $@

training-test: training-setup ## Types and tests of training, a small study among them
	cd training && ../.venv-training/bin/mypy src tests
	cd training && OMP_NUM_THREADS=1 ../.venv-training/bin/coverage run -m pytest
	cd training && ../.venv-training/bin/coverage report --fail-under=90

test: lint types proto-check audit ## Everything CI runs, with branch coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest tests/unit tests/integration tests/e2e tests/faults/test_checker.py tests/faults/test_proxy.py
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=90
	$(MAKE) --no-print-directory training-test

bench: setup ## Measure dispatcher, ingress, notifier and detector beside their bare clients (ARGS=scaling, debezium, all)
	$(BIN)/python -m benchmarks $(ARGS)

bench-edge: setup ## Episodes on scripted clips, the whole detector, cameras that fail, page, /predict, privacy, gateway (some 20 min)
	@missed=0; for part in episodes motion whole cameras page predict openapi privacy "gateway 5"; do \
		$(BIN)/python -m benchmarks.edge.$$part || missed=1; done; exit $$missed

eval: setup ## The models beside their peers on the photos held back (needs ../shared; ARGS="--quick")
	$(BIN)/python -m benchmarks.models $(ARGS)

fuzz: .venv-fuzz/.installed ## Bytes against the decoders, led by coverage (SECONDS=60 in all)
	@[[ '$(SECONDS)' =~ ^[1-9][0-9]*$$ ]] || { echo 'SECONDS is a whole number from 1 on, not $(SECONDS)' >&2; exit 2; }
	@for kind in alert device_event notification; do \
		mkdir -p build/fuzz/$$kind && \
		PYTHONPATH=proto/src .venv-fuzz/bin/python -m tests.fuzz.decode $$kind -max_total_time=$(SECONDS_EACH) \
			-timeout=5 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 -verbosity=1 \
			-artifact_prefix=build/fuzz/$$kind- build/fuzz/$$kind tests/fuzz/corpus/$$kind || exit 1; done

.venv-fuzz/.installed: requirements/fuzz.txt
	@[[ -n "$(PYTHON)" ]] || { echo 'Maskwatch needs Python 3.11' >&2; exit 1; }
	@$(PYTHON) -m venv .venv-fuzz
	@.venv-fuzz/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/fuzz.txt
	@touch $@

audit: setup .venv-audit/.installed ## Known vulnerabilities in the hashed requirements (says so when no database is reached)
	@$(BIN)/python -m devstack.audit .venv-audit/bin/pip-audit $(sort $(wildcard requirements/*.txt)) training/requirements.txt

.venv-audit/.installed: requirements/audit.txt
	@[[ -n "$(PYTHON)" ]] || { echo 'Maskwatch needs Python 3.11' >&2; exit 1; }
	@$(PYTHON) -m venv .venv-audit
	@.venv-audit/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/audit.txt
	@touch $@

proto: setup ## Generate the code of proto/ anew
	cd proto/src && ../../$(BIN)/python -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. $(SCHEMAS)

.PHONY: proto-check
proto-check: setup ## Fail when the committed generated code is not what the .proto files say
	@rm -rf build/proto && mkdir -p build/proto
	@cd proto/src && ../../$(BIN)/python -m grpc_tools.protoc --proto_path=. --python_out=../../build/proto --pyi_out=../../build/proto $(SCHEMAS)
	@for file in $(SCHEMAS:maskwatch_proto/%.proto=%_pb2.py) $(SCHEMAS:maskwatch_proto/%.proto=%_pb2.pyi); do diff -u proto/src/maskwatch_proto/$$file build/proto/maskwatch_proto/$$file || { echo "$$file differs: run make proto" >&2; exit 1; }; done

requirements: ## Resolve anew and write the hashed requirement files
	@[[ -x $(BIN)/uv ]] || { $(PYTHON) -m venv .venv && $(BIN)/pip install --quiet uv; }
	$(BIN)/uv lock --quiet
	$(BIN)/uv export --quiet --frozen --group dev --no-emit-workspace --no-header --no-annotate --format requirements.txt --output-file requirements/dev.txt
	for service in edge_detector dispatcher ingress notifier; do $(BIN)/uv export --quiet --frozen --package $${service/_/-} --no-dev --no-emit-workspace --no-header --no-annotate --format requirements.txt --output-file requirements/$$service.txt; done
	printf 'hatchling\n' | $(BIN)/uv pip compile - --quiet --python-version 3.11 --constraint requirements/dev.txt --generate-hashes --no-header --no-annotate --output-file requirements/build.txt
	$(BIN)/uv pip compile training/pyproject.toml --quiet --extra dev --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --output-file training/requirements.txt
	printf 'atheris\nprotobuf\npydantic\n' | $(BIN)/uv pip compile - --quiet --python-version 3.11 --constraint requirements/dev.txt --generate-hashes --no-header --no-annotate --output-file requirements/fuzz.txt
	printf 'pip-audit\n' | $(BIN)/uv pip compile - --quiet --python-version 3.11 --constraint requirements/dev.txt --generate-hashes --no-header --no-annotate --output-file requirements/audit.txt
	printf 'matplotlib\npillow\nscikit-image\n' | $(BIN)/uv pip compile - --quiet --no-deps --python-version 3.11 --constraint requirements/dev.txt --generate-hashes --no-header --no-annotate --output-file requirements/demo_clip.txt

clean: ## Remove what was built here
	rm -rf build .venv .venv-training .venv-fuzz .venv-audit .mypy_cache .pytest_cache .ruff_cache .hypothesis demo-data
