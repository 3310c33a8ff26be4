"""What can answer a chat: base models that are being served, and adapters on them."""

import difflib
from dataclasses import dataclass

from burnish.bus import topology
from burnish.errors import NotFoundError, UserError
from burnish.v1 import common_pb2, events_pb2
from svc_gateway.store import Store

AdapterRef = common_pb2.AdapterRef
LATEST = "@latest"
BEST = "@best"
SHOWN_NAMES = 5


@dataclass(frozen=True, slots=True)
class Target:
    """Who answers: a base model, or one of its adapters."""

    base_model: str
    adapter: AdapterRef | None = None

    @property
    def name(self) -> str:
        return self.adapter.name if self.adapter is not None else self.base_model


def served(statuses: list[events_pb2.ServiceStatus]) -> tuple[str, ...]:
    """Base models that some live serve instance answers for."""
    return tuple(sorted({name for status in statuses for name in status.base_models}))


def close_names(name: str, known: list[str]) -> str:
    """The names that were probably meant, or the first few, as a phrase."""
    close = difflib.get_close_matches(name, known, n=SHOWN_NAMES, cutoff=0.4)
    if close:
        return f"close names: {', '.join(close)}"
    if not known:
        return "no model is being served: start one with `python -m svc_serve` or `burnish up`"
    more = f" and {len(known) - SHOWN_NAMES} more" if len(known) > SHOWN_NAMES else ""
    return f"models here: {', '.join(known[:SHOWN_NAMES])}{more}"


class Models:
    """Names → models."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def services(self) -> list[events_pb2.ServiceStatus]:
        """What each live instance says of itself."""
        found = [status for _, status in await self._store.services.items()]
        return sorted(found, key=lambda status: (status.service, status.instance))

    async def base_models(self) -> tuple[str, ...]:
        return served(await self.services())

    async def adapters(self, job_id: str = "") -> list[AdapterRef]:
        """All adapters (of a job), by job and version."""
        found = await self._store.adapters.items(f"{job_id}.>" if job_id else ">")
        return sorted(
            (adapter for _, adapter in found),
            key=lambda adapter: (adapter.job_id, adapter.policy_version),
        )

    async def adapter(self, name: str) -> AdapterRef:
        """An adapter by its name or an alias, `<job>@latest` or `<job>@best`.

        Raises:
            NotFoundError: there is none.
        """
        found = await self._adapter(name)
        if found is None:
            known = [one.name for one in await self.adapters()]
            raise NotFoundError(
                f"there is no adapter {name!r}",
                field="name",
                hint=close_names(name, known) if known else "no job has published one yet",
            )
        return found

    async def resolve(self, name: str) -> Target:
        """Who answers to a model name.

        Raises:
            UserError: no name was given.
            NotFoundError: nobody does; says which names are close.
        """
        if not name:
            raise UserError("name a model", field="model")
        bases = await self.base_models()
        if name in bases:
            return Target(name)
        adapter = await self._adapter(name)
        if adapter is not None:
            return Target(adapter.base_model, adapter)
        adapters = await self.adapters()
        aliases = sorted({f"{one.job_id}{LATEST}" for one in adapters})
        known = [*bases, *aliases, *(one.name for one in adapters)]
        raise NotFoundError(
            f"model {name!r} does not exist", field="model", hint=close_names(name, known)
        )

    async def _adapter(self, name: str) -> AdapterRef | None:
        if name.endswith(BEST):
            return await self._best(name.removesuffix(BEST))
        if name.endswith(LATEST):
            return await self._latest(name.removesuffix(LATEST))
        key = topology.adapter_key(name) if ":" in name else ""
        if not _is_key(key):
            return None
        found = await self._store.adapters.get(key)
        return found[0] if found else None

    async def _latest(self, job_id: str) -> AdapterRef | None:
        adapters = await self.adapters(job_id) if _is_key(job_id) else []
        return adapters[-1] if adapters else None

    async def _best(self, job_id: str) -> AdapterRef | None:
        """What did best on the held-out rows; None without an evaluation of an adapter."""
        found = await self._store.runs.get(job_id) if _is_key(job_id) else None
        if found is None or not found[0].HasField("best_adapter"):
            return None
        return found[0].best_adapter


def _is_key(key: str) -> bool:
    return key.isascii() and key.translate(str.maketrans("", "", "-_.")).isalnum()
