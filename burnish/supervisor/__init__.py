"""The supervisor behind `burnish up`: one machine, one command."""

from burnish.supervisor.platform import SERVICES, Platform
from burnish.supervisor.rundir import RunDir, State

__all__ = ["SERVICES", "Platform", "RunDir", "State"]
