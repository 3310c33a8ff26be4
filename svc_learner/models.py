"""The base models that this learner holds in memory."""

import asyncio

from burnish import models
from svc_learner.base import BaseModel
from svc_learner.config import LearnerSettings


class BaseModels:
    """Each is loaded once, on first use."""

    def __init__(self, settings: LearnerSettings) -> None:
        self._settings = settings
        self._loaded: dict[str, BaseModel] = {}
        self._lock = asyncio.Lock()

    async def get(self, name: str) -> BaseModel:
        """The base model.

        Raises:
            UserError: there is no such model, or it cannot be loaded.
        """
        async with self._lock:
            if name not in self._loaded:
                self._loaded[name] = await asyncio.to_thread(self._load, name)
        return self._loaded[name]

    def close(self) -> None:
        for base in self._loaded.values():
            base.close()

    def _load(self, name: str) -> BaseModel:
        return BaseModel.load(
            name,
            models.ensure(name, self._settings.models_dir.expanduser()),
            device=self._settings.learner_device,
            dtype=self._settings.learner_dtype,
            threads=self._settings.learner_threads,
        )
