# A newcomer's verbs. `make demo` and `make test` need Python >= 3.11, Java from 17 on, and Nextflow from 24.10 on or Maven.
SHELL := /bin/bash
READY := .venv/.ready
OUT ?= results/demo
TARGETS ?= cpu
ENGINE ?= $(shell command -v podman || command -v docker || echo podman)
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' lib/ecgscale/__init__.py)
ARCHITECTURES ?= x86_64 aarch64

# podman packs anew what it pushes: the digest that the registry has is told by the push alone
ifneq (,$(findstring podman,$(ENGINE)))
PUSHED = digest=$$(mktemp) && $(ENGINE) push --digestfile $$digest $$image && echo "$${image%:*}@$$(cat $$digest)" && rm $$digest
JOINED = $(ENGINE) manifest create --amend $$image $(ARCHITECTURES:%=docker://$$image-%) && \
    $(ENGINE) manifest push --all --rm $$image docker://$$image
else
PUSHED = $(ENGINE) push $$image && $(ENGINE) image inspect --format '{{join .RepoDigests "\n"}}' $$image | grep "^$${image%:*}@"
JOINED = $(ENGINE) buildx imagetools create --tag $$image $(ARCHITECTURES:%=$$image-%)
endif

SIF_ARGS ?= --mksquashfs-args "-comp zstd -Xcompression-level 3"
FUZZ ?= 75
SAMPLE ?= 50
SEED ?= 1
DONE ?=
ENGINES ?= podman docker apptainer singularity slurm
ENGINES_OUT ?= results/engines

.PHONY: help demo test lint bench fuzz mutants faults report images push manifest sif engines engine-local docs dist reference lock clean

help:   ## show this
	@sed -n 's/^\([a-z]*\): .*## /  make \1\t/p' Makefile | expand -t 18

demo: $(READY)   ## the whole thread on a small synthetic corpus: three to seven minutes on two cores
	./nextflow run . --outdir $(OUT) -work-dir $(OUT)/work -resume

# A worker that crashed is not started anew: with whole files to a worker, pytest-xdist then waits for ever. What Python
# compiles is kept even where the environment says it is not: each of some hundred commands would compile the package anew.
test: $(READY)   ## unit tests, every command, and the pipeline; ends with what was skipped and why
	PYTHONDONTWRITEBYTECODE= .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart=0 --benchmark-disable --durations=10 -m "not bench"

lint: $(READY)   ## style and mistakes
	.venv/bin/ruff check lib bin tests docs

bench: $(READY)   ## speed and memory, as ratios against a baseline in the same run
	.venv/bin/python -m pytest tests/benchmarks -m bench -q

fuzz: $(READY)   ## damaged and hostile files for every reader and command, other ones each time: about half an hour of a core
	ECGSCALE_FUZZ=$(FUZZ) .venv/bin/python -X faulthandler -m pytest tests/fuzz -q -s

mutants: $(READY)   ## do the tests notice mistakes? 50 a package, the same each time; SAMPLE and SEED say others, DONE a file that keeps what is done: an hour
	.venv/bin/python -m tests.mutants.mutants --sample $(SAMPLE) --seed $(SEED) $(if $(DONE),--out $(DONE))

faults: $(READY)   ## a run that is interrupted, loses its node, its memory, its disk; commands on odd machines: minutes
	.venv/bin/python -m pytest tests/faults/faults.py tests/faults/shards.py tests/faults/full_disk.py tests/faults/surroundings.py

report: $(READY)   ## every fit and figure again, from the committed run table of PTB-XL, offline
	./nextflow run . --runs assets/examples/ptbxl/runs.csv --latency assets/examples/ptbxl --study assets/studies/ptbxl.yaml \
	    --outdir results/report

images:   ## container images by podman or docker; TARGETS="cpu openvino cuda", BUILD_ARGS for the site
	for target in $(TARGETS); do $(ENGINE) build -f containers/Containerfile --target $$target --build-arg VERSION=$(VERSION) \
	    --label org.opencontainers.image.revision=$$(git rev-parse HEAD 2>/dev/null || echo unknown) \
	    -t localhost/ecgscale:$(VERSION)-$$target $(BUILD_ARGS) . || exit; done

push:   ## those images to REGISTRY, as REGISTRY/ecgscale:VERSION-TARGET-ARCHITECTURE; ends with the digest of each
	for target in $(TARGETS); do image=$(REGISTRY)/ecgscale:$(VERSION)-$$target-$$(uname -m) && \
	    $(ENGINE) tag localhost/ecgscale:$(VERSION)-$$target $$image && $(PUSHED) || exit; done

manifest:   ## one name for what was pushed of all ARCHITECTURES, the one that --registry pulls
	for target in $(TARGETS); do image=$(REGISTRY)/ecgscale:$(VERSION)-$$target && $(JOINED) || exit; done

sif:   ## the same images as SIF files, for singularity and apptainer
	for target in $(TARGETS); do sif=containers/ecgscale-$(VERSION)-$$target.sif && rm -f $$sif.tar && \
	    $(ENGINE) save $(if $(findstring podman,$(ENGINE)),--format docker-archive) -o $$sif.tar localhost/ecgscale:$(VERSION)-$$target && \
	    $(or $(shell command -v apptainer || command -v singularity),apptainer) build --force $(SIF_ARGS) $$sif docker-archive:$$sif.tar && \
	    rm $$sif.tar || exit; done

engines: $(ENGINES:%=engine-%)   ## the demo through each engine, compared with a local run; see containers/README.md

engine-local: $(READY)
	tests/engines/run.sh local $(ENGINES_OUT)

engine-%: engine-local
	tests/engines/run.sh $* $(ENGINES_OUT)

docs: $(READY)   ## the documentation as a site: results/docs/index.html
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet

dist: $(READY)   ## wheel and sdist, in results/dist
	.venv/bin/uv build --quiet --no-build-isolation --out-dir results/dist

reference: $(READY)   ## write the generated pages of docs/reference again
	PYTHONPATH=lib .venv/bin/python docs/reference/pages.py

lock: $(READY)   ## renew requirements.lock, with hashes, after an edit of pyproject.toml; then make reference
	conf/launcher/lock.sh

clean:   ## remove the environment, the fetched Nextflow and all results
	rm -rf .venv .engine .nextflow .nextflow.log* work results

$(READY): requirements.lock pyproject.toml conf/launcher/environment.sh
	conf/launcher/environment.sh
