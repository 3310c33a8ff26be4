"""The layout is the architecture: services meet only in the contracts and in the toolkit."""

import ast
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("svc_gateway", "svc_learner", "svc_reward", "svc_rollout", "svc_serve")
EVERY_SERVICE_HAS = ("__main__.py", "app.py", "config.py")
# Heavy packages that the toolkit must not pull into every service.
# `burnish.models` imports the converter only when there is something to convert.
LAZY = {"burnish/gguf.py"}
HEAVY = {"torch", "transformers", "peft", "vllm", "triton", "docker", "sqlalchemy", "starlette"}


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def sources(package: str) -> list[Path]:
    return [
        p for p in (ROOT / package).rglob("*.py") if not p.name.endswith(("_pb2.py", "_grpc.py"))
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_imports_another(service: str) -> None:
    others = set(SERVICES) - {service}
    guilty = {str(p.relative_to(ROOT)): imports(p) & others for p in sources(service)}
    assert {path: found for path, found in guilty.items() if found} == {}


@pytest.mark.parametrize("service", SERVICES)
def test_services_look_alike(service: str) -> None:
    assert [name for name in EVERY_SERVICE_HAS if not (ROOT / service / name).exists()] == []


def test_the_toolkit_imports_no_service_and_nothing_heavy() -> None:
    guilty = {
        str(p.relative_to(ROOT)): imports(p) & set(SERVICES)
        | imports(p, top_level_only=True) & HEAVY
        for p in sources("burnish")
        if str(p.relative_to(ROOT)) not in LAZY
    }
    assert {path: found for path, found in guilty.items() if found} == {}


def test_the_events_documentation_is_what_the_topology_says() -> None:
    spec = importlib.util.spec_from_file_location("events", ROOT / "scripts" / "events.py")
    assert spec is not None
    assert spec.loader is not None
    events = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(events)
    assert (ROOT / "docs" / "events.md").read_text() == events.events_md()
    import yaml

    assert yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text()) == events.asyncapi()
