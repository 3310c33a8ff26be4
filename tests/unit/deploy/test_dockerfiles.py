"""Images share the layers that their Dockerfiles begin with."""

import re
from pathlib import Path

import pytest
import yaml

from burnish.supervisor import allocator

ROOT = Path(__file__).parents[3]
DOCKERFILES = sorted((ROOT / "deploy").glob("*.Dockerfile"))
WITH_TORCH = {"lane", "learner", "models", "serve"}


def name(path: Path) -> str:
    return path.name.removesuffix(".Dockerfile")


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def installed(path: Path) -> list[str]:
    return re.findall(r"RUN python /build/install\.py (.+)", path.read_text())


def test_the_first_lines_are_the_same() -> None:
    first = {
        name(path): lines(path)[: lines(path).index("RUN python /build/install.py core") + 1]
        for path in DOCKERFILES
    }
    assert len({tuple(shared) for shared in first.values()}) == 1, first


@pytest.mark.parametrize("path", DOCKERFILES, ids=name)
def test_torch_is_a_layer_of_its_own_where_it_is_needed(path: Path) -> None:
    assert ("--layer torch torch" in installed(path)) == (name(path) in WITH_TORCH)
    assert installed(path)[0] == "core"


@pytest.mark.parametrize("path", DOCKERFILES, ids=name)
def test_builds_with_every_builder(path: Path) -> None:
    assert not re.search(r"--mount|--link|--chmod|<<|^# *syntax", path.read_text(), re.MULTILINE)


def test_each_image_of_compose_has_its_dockerfile() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    used = {service["build"]["dockerfile"] for service in services.values()}
    assert used == {f"deploy/{path.name}" for path in DOCKERFILES}


@pytest.mark.parametrize("path", DOCKERFILES, ids=name)
def test_services_that_compute_keep_their_memory(path: Path) -> None:
    text = path.read_text()
    for variable, value in allocator.KEEP_MEMORY.items():
        assert (f" {variable}={value} " in text) == (name(path) in allocator.SERVICES)
