#!/usr/bin/env bash
# Makes sure that a Docker Engine answers; starts one where that is possible without asking anybody.
# With --install, Debian's docker.io is installed first where no engine is there (needs root).
# Exit status 0: an engine answers. 1: none does, and one sentence says why and what to do.
set -euo pipefail

log=${BURNISH_DOCKERD_LOG:-/var/log/burnish-dockerd.log}
seconds_to_start=60

say() { printf 'docker engine: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
answers() { timeout 10 docker version --format '{{.Server.Version}}' 2>/dev/null; }

install=false
case "${1:-}" in
  --install) install=true ;;
  '') ;;
  *) fail "unknown argument '$1'; usage: $0 [--install]" ;;
esac

if version=$(answers); then
  say "version $version answers"
  exit 0
fi

[ "$(id -u)" -eq 0 ] || fail "none answers, and only root can start one: start Docker, or add yourself to the docker group, and try again"
[ -z "${DOCKER_HOST:-}" ] || fail "none answers at DOCKER_HOST=$DOCKER_HOST: correct or unset it and try again"

if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then
  $install || fail "not installed: install Docker (https://docs.docker.com/engine/install/), or run '$0 --install' on Debian"
  command -v apt-get >/dev/null || fail "can only be installed by this script on Debian or Ubuntu: install Docker by hand"
  say "installing docker.io"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker.io iptables >/dev/null
fi

if [ -d /run/systemd/system ]; then
  systemctl start docker || fail "systemd could not start it: see 'journalctl -u docker'"
else
  # A killed engine leaves its pid behind; the next one would refuse to start if another process has it.
  pid=$(cat /var/run/docker.pid 2>/dev/null || true)
  [ -z "$pid" ] || [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ] || rm -f /var/run/docker.pid
  setsid nohup dockerd >"$log" 2>&1 </dev/null &
fi
for ((second = 0; second < seconds_to_start; second++)); do
  if version=$(answers); then
    say "version $version started (log: $log)"
    exit 0
  fi
  sleep 1
done
fail "dockerd was started and does not answer after $seconds_to_start s; its last words: $(tail -n 1 "$log" 2>/dev/null || echo none)"
