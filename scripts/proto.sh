#!/usr/bin/env bash
# Lints the contracts and generates burnish/v1 from them: messages, type stubs, gRPC services.
set -euo pipefail
cd "$(dirname "$0")/.."
buf lint
if git rev-parse --verify --quiet HEAD:proto >/dev/null; then
  buf breaking --against '.git#ref=HEAD'
fi
rm -f burnish/v1/*_pb2*.py burnish/v1/*_pb2*.pyi
python -m grpc_tools.protoc -Iproto --python_out=. --pyi_out=. --grpc_python_out=. proto/burnish/v1/*.proto
# Contracts without a service have no use for a gRPC module.
grep -L '^class .*Stub' burnish/v1/*_pb2_grpc.py | xargs -r rm
