"""The read model: what the event log says, as SQL. It can be deleted and is then rebuilt."""

from svc_gateway.projection.projector import Projector
from svc_gateway.projection.queries import Queries

__all__ = ["Projector", "Queries"]
