#!/usr/bin/env bash
# Builds the images of compose.yaml; arguments go to compose before `build`, for example
# --profile gpu. Where the base image cannot be pulled, builds are not expected to reach a package
# index either, and get their packages from the host.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/docker_engine.sh
scripts/base_image.sh
image=${PYTHON_IMAGE:-python:3.11-slim-bookworm}
if [ "$(docker image inspect --format '{{index .Config.Labels "burnish.made"}}' "$image")" = here ]; then
  scripts/wheels.sh
fi
# One image after another: the builder of older engines (Debian's 20.10 is one) can crash when it
# builds several at once, and takes the engine with it. Somebody else's build can be the second
# one, so an engine that went away gets one more try.
export COMPOSE_PARALLEL_LIMIT=1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
engine_went_away() { ! docker version >/dev/null 2>&1 || grep -q 'error reading from server: EOF' "$log"; }

printf 'images: building\n' >&2
tries=2
until scripts/compose.sh "$@" build >"$log" 2>&1; do
  tail -n 40 "$log" >&2
  tries=$((tries - 1))
  if [ "$tries" -eq 0 ] || ! engine_went_away; then
    printf 'images: the build failed; its last lines stand above\n' >&2
    exit 1
  fi
  printf 'images: the engine went away during the build; once more\n' >&2
  scripts/docker_engine.sh
done
printf 'images: built in %s s\n' "$SECONDS" >&2
