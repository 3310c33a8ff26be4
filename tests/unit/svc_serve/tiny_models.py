"""What the fixtures of this folder hand out."""

from collections.abc import Callable
from pathlib import Path

from svc_serve.cpu.core import EngineCore

MakeCore = Callable[..., EngineCore]
MakeAdapter = Callable[..., Path]
