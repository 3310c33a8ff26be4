#!/usr/bin/env bash
# Makes ready what the tests use beyond Python packages: a Docker Engine, Chromium, and vLLM's own
# environment. What cannot be had is named; its tests are then skipped, or with
# BURNISH_REQUIRE_ALL=1 they fail.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'test tools: %s\n' "$*" >&2; }
may_install() { [ "${BURNISH_INSTALL_TOOLS:-}" = 1 ] || [ "${CI:-}" = true ]; }

engine=()
may_install && engine=(--install)
scripts/docker_engine.sh "${engine[@]}" || say "no Docker Engine: tests marked 'docker' will not run"

if [ -z "${BURNISH_CHROMIUM:-}" ] && ! command -v chromium chromium-browser google-chrome >/dev/null; then
  if may_install && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    say "installing chromium"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
  else
    say "no Chromium (on Debian: apt-get install chromium): tests marked 'browser' will not run"
  fi
fi

scripts/vllm_env.sh || say "no vLLM environment: tests marked 'vllm' will not run"
