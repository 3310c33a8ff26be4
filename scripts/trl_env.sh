#!/usr/bin/env bash
# Makes the environment in which benchmarks/learner_vs_trl.py runs its peer: trl pins its own
# dependencies, so it never shares one with the services. Does nothing when it is up to date.
# TORCH_INDEX names a further index to take PyTorch from: the one with its CPU builds where there is
# no GPU. TRL_EXTRAS=vllm adds vLLM, for a machine with a GPU.
#
# usage: scripts/trl_env.sh [DIRECTORY]     (default: .venv-trl beside pyproject.toml)
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="${1:-$root/.venv-trl}"
python="${PYTHON:-python3}"
torch="torch==2.13.0" # an exact version lets a mirror's CPU build (2.13.0+cpu) be taken
extras="${TRL_EXTRAS:+,$TRL_EXTRAS}"
packages=("trl[peft$extras]==1.16.0" "peft>=0.21.2,<0.22" "transformers>=5.19,<5.20")

stamp="$venv/.burnish-trl"
want="$(printf '%s\n' "$torch" "${packages[@]}" | sha256sum | cut -d' ' -f1)"
if [[ -f "$stamp" && "$(cat "$stamp")" == "$want" ]]; then
  exit 0
fi

[[ -x "$venv/bin/python" ]] || "$python" -m venv "$venv"
index=()
[[ -z "${TORCH_INDEX:-}" ]] || index=(--extra-index-url "$TORCH_INDEX")
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${index[@]}" "$torch" "${packages[@]}"
printf '%s' "$want" > "$stamp"
