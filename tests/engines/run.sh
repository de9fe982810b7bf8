#!/bin/bash
# The pipeline through one engine, to the report, then compared with the local run: `make engines`, or
#   tests/engines/run.sh local|podman|docker|apptainer|singularity|charliecloud|slurm FOLDER
# PROFILES=test takes the smallest study instead of the demo. What a site needs comes from outside: ECGSCALE_SITE_CONFIG (a
# Nextflow configuration), CONTAINERS_CONF, DOCKER_HOST, PATH, SLURM_ENGINE (podman), SLURM_QUEUE, CHARLIECLOUD_IMAGE.
set -euo pipefail
engine=$1 out=$(mkdir -p "$2" && cd "$2" && pwd)
cd "$(dirname "$0")/../.."
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' lib/ecgscale/__init__.py)
image=localhost/ecgscale:$version-cpu
stop() { printf 'make engine-%s: %s\n' "$engine" "$*" >&2; exit 2; }

profile=$engine inside=$engine options=()
case $engine in
    local) inside=none options=(-resume) ;;     # what the others are compared with: made once
    podman) podman image exists "$image" || stop "no $image: make images" ;;
    docker)
        if ! docker info >/dev/null 2>&1; then      # no daemon: the docker client drives podman for the time of the run
            command -v podman >/dev/null || stop "no docker daemon answers, and there is no podman to stand in"
            socket=$(mktemp -d)/podman.sock
            podman system service --time=0 "unix://$socket" & service=$!
            trap 'kill $service' EXIT
            export DOCKER_HOST=unix://$socket
            for _ in $(seq 50); do docker info >/dev/null 2>&1 && break; sleep .2; done
        fi
        docker image inspect "$image" >/dev/null || stop "no $image: make images ENGINE=docker" ;;
    apptainer | singularity) [ -f "containers/ecgscale-$version-cpu.sif" ] || stop "no containers/ecgscale-$version-cpu.sif: make sif" ;;
    charliecloud)
        folder=${CHARLIECLOUD_IMAGE:-containers/ecgscale-$version-cpu}
        [ -e "$folder/ch/environment" ] || stop "no image in $folder: containers/README.md"
        options=(--image "$(cd "$folder" && pwd)"); export USER=${USER:-$(id -un)} ;;
    slurm)
        sinfo -h >/dev/null 2>&1 || stop "no Slurm answers (sinfo)"
        inside=${SLURM_ENGINE:-podman} profile=$inside,slurm
        [ -z "${SLURM_QUEUE:-}" ] || options+=(--queue "$SLURM_QUEUE") ;;
    *) stop "unknown engine" ;;
esac

started=$SECONDS
# checkpoints of its own: each engine trains for itself
./nextflow ${ECGSCALE_SITE_CONFIG:+-c "$ECGSCALE_SITE_CONFIG"} -log "$out/$engine.log" run . -profile "${PROFILES:+$PROFILES,}$profile" \
    --outdir "$out/$engine" -work-dir "$out/work/$engine" --checkpoints "$out/checkpoints/$engine" "${options[@]}"
echo "$engine: $((SECONDS - started)) s from start to report"
PYTHONPATH=lib .venv/bin/python tests/engines/compare.py "$out/local" "$out/$engine" "$inside"
