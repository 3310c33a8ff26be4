"""The HTTP surface and its description name the same paths."""

import re
from pathlib import Path
from typing import cast

import yaml
from starlette.routing import Route

from svc_gateway.rpc import UseCases
from svc_gateway.web import create_app

DOCUMENT = Path(__file__).parents[3] / "docs" / "openapi.yaml"
OWN = {"/", "/console/spec"}
"""What only the console asks for."""


class Anything:
    def __getattr__(self, name: str) -> "Anything":
        return self


def test_every_path_is_described_and_every_described_path_exists() -> None:
    app = create_app(cast("UseCases", Anything()), {}, lambda: True)
    served = {
        (route.path, method)
        for route in app.routes
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD" and route.path not in OWN
    }
    paths = yaml.safe_load(DOCUMENT.read_text())["paths"]
    described = {
        (path, method.upper())
        for path, item in paths.items()
        for method in item
        if re.fullmatch("get|post|delete", method)
    }
    assert served == described
