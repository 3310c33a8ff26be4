"""Tokenizers are loaded before anybody asks."""

import shutil
from pathlib import Path

import pytest

from burnish import models
from svc_rollout.prompts import Tokenizers


@pytest.mark.model
async def test_what_is_there_is_loaded_and_what_is_broken_left_for_its_job(
    model_dir: Path, tmp_path: Path
) -> None:
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    broken.mkdir()
    shutil.copy(model_dir / "config.json", broken)
    (broken / "model.safetensors").touch()
    whole.symlink_to(model_dir)
    assert models.available(tmp_path) == ["broken", "whole"]
    tokenizers = Tokenizers(tmp_path)
    await tokenizers.warm()
    assert list(tokenizers._loaded) == ["whole"]
