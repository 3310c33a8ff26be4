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
printf 'images: building\n' >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! scripts/compose.sh "$@" build >"$log" 2>&1; then
  tail -n 40 "$log" >&2
  printf 'images: the build failed; its last lines stand above\n' >&2
  exit 1
fi
printf 'images: built in %s s\n' "$SECONDS" >&2
