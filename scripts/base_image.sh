#!/usr/bin/env bash
# Makes sure that the image which every Dockerfile starts from is there.
# Pulled where a registry can be reached. Elsewhere its equivalent is made from the Debian mirror:
# the same release and the same Python, with `python` and `pip` on PATH.
set -euo pipefail

image=${PYTHON_IMAGE:-python:3.11-slim-bookworm}
suite=${image##*-}

say() { printf 'base image: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

if docker image inspect "$image" >/dev/null 2>&1; then
  say "$image is there"
  exit 0
fi
if timeout 300 docker pull --quiet "$image" >/dev/null 2>&1; then
  say "$image pulled"
  exit 0
fi
case "$image" in
  python:3.11-slim-bookworm) ;;
  *) fail "$image cannot be pulled, and only python:3.11-slim-bookworm can be made here" ;;
esac
command -v mmdebstrap >/dev/null || fail "$image cannot be pulled; to make its equivalent here, install mmdebstrap (apt-get install mmdebstrap)"
[ "$(id -u)" -eq 0 ] || fail "$image cannot be pulled, and making its equivalent needs root"

say "$image cannot be pulled; making its equivalent from the Debian mirror"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The mirrors that this host itself uses, with its keys: they are the ones that can be reached.
sources=()
for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
  [ ! -s "$file" ] || sources+=("$file")
done
# shellcheck source=/dev/null
[ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" = "$suite" ] || sources=()
# shellcheck disable=SC2016 # $1 is expanded by mmdebstrap's hook
if ! mmdebstrap --quiet --variant=minbase \
  --include=python3-minimal,python3-pip,python3-venv,ca-certificates \
  --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt=force-unsafe-io \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --customize-hook='ln -s /usr/bin/python3 "$1/usr/local/bin/python"' \
  --customize-hook='rm -f "$1"/usr/lib/python3.*/EXTERNALLY-MANAGED' \
  "$suite" "$scratch/base.tar" "${sources[@]}" 2>"$scratch/log"; then
  tail -n 5 "$scratch/log" >&2
  fail "mmdebstrap failed; its last lines stand above"
fi
# The label tells scripts/images.sh that this host cannot reach a registry.
docker import --change 'LABEL burnish.made=here' --change 'CMD ["python3"]' --change 'ENV LANG=C.UTF-8' "$scratch/base.tar" "$image" >/dev/null
say "$image made in ${SECONDS} s"
