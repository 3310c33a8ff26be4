"""A serve process of its own, with either engine, and what its tests compare it with."""

import asyncio
import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from burnish.bus import Bus, topology
from burnish.supervisor import nats
from burnish.supervisor.ports import free_port
from burnish.v1 import common_pb2, events_pb2

ROOT = Path(__file__).parents[2]
BASE = "smollm2-135m-instruct"
ENV = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": str(ROOT)}


@dataclass(frozen=True, slots=True)
class ServeProcess:
    engine: str
    nats_url: str
    log: Path


def vllm_python() -> str:
    return os.environ.get("BURNISH_VLLM_PYTHON") or str(ROOT / ".venv-vllm" / "bin" / "python")


@contextmanager
def running(engine: str, model_dir: Path, folder: Path, **env: str) -> Iterator[ServeProcess]:
    """A nats-server and one serve process that answers."""
    port = free_port()
    (folder / "nats").mkdir()
    log = folder / "serve.log"
    with (folder / "nats.log").open("wb") as output:
        server = subprocess.Popen(nats.command(folder / "nats", port), stdout=output, stderr=output)
    assert nats.wait_until_ready(port)
    process = ServeProcess(engine, nats.url(port), log)
    settings = {
        "BURNISH_NATS_URL": process.nats_url,
        "BURNISH_MODELS_DIR": str(model_dir.parent),
        "BURNISH_DATA_DIR": str(folder / "data"),
        "BURNISH_SERVE_ENGINE": engine,
        "BURNISH_INSTANCE": "serve-1",
        "BURNISH_DRAIN_SECONDS": "0.5",
    }
    python = vllm_python() if engine == "vllm" else sys.executable
    with log.open("wb") as output:
        serve = subprocess.Popen(
            [python, "-m", "svc_serve"],
            env={**os.environ, **ENV, **settings, **env},
            cwd=folder,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        asyncio.run(_ready(process, serve))
        yield process
        serve.send_signal(signal.SIGTERM)
        assert serve.wait(60) == 0, log.read_text()[-2000:]
    finally:
        if serve.poll() is None:
            os.killpg(serve.pid, signal.SIGKILL)
        server.kill()
        server.wait()


async def _ready(process: ServeProcess, serve: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 240
    async with connected(process) as bus:
        while (await status(bus)).base_models != [BASE]:
            assert serve.poll() is None, process.log.read_text()[-4000:]
            assert time.monotonic() < deadline, process.log.read_text()[-4000:]
            await asyncio.sleep(0.5)
        await asyncio.sleep(0.5)  # it answers just after it says so


class connected:  # noqa: N801  (reads as a context manager)
    """A bus of the test's own."""

    def __init__(self, process: ServeProcess) -> None:
        from burnish.config import ServiceSettings

        self._bus = Bus(ServiceSettings(nats_url=process.nats_url, drain_seconds=0.1), "test")

    async def __aenter__(self) -> Bus:
        await self._bus.connect()
        return self._bus

    async def __aexit__(self, *_: object) -> None:
        await self._bus.stop()


async def status(bus: Bus) -> events_pb2.ServiceStatus:
    bucket = await bus.kv(topology.SERVICES, events_pb2.ServiceStatus)
    found = await bucket.get("serve.serve-1")
    return found[0] if found else events_pb2.ServiceStatus()


class Reference:
    """The base model in Hugging Face, float32, and adapters on it."""

    def __init__(self, model_dir: Path) -> None:
        torch.set_num_threads(1)
        self._folder = model_dir
        self.base: Any = self._load()

    def _load(self) -> Any:  # noqa: ANN401
        return AutoModelForCausalLM.from_pretrained(self._folder, dtype=torch.float32).eval()

    def adapter(self, seed: int, folder: Path, rank: int = 8) -> Path:
        """Save a random LoRA adapter that changes what the model says."""
        torch.manual_seed(seed)
        model = get_peft_model(
            self._load(),
            LoraConfig(
                r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM"
            ),
        )
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.08)
        model.save_pretrained(folder)
        return folder

    def tuned(self, folder: Path) -> Any:  # noqa: ANN401
        return PeftModel.from_pretrained(self._load(), folder).eval()


def greedy(model: Any, prompt: list[int], tokens: int) -> list[int]:  # noqa: ANN401
    ids = torch.tensor([prompt])
    with torch.no_grad():
        out = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=tokens,
        )
    return out[0, len(prompt) :].tolist()


def log_probabilities(model: Any, prompt: list[int], completion: list[int]) -> torch.Tensor:  # noqa: ANN401
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*prompt, *completion]]), use_cache=False).logits[0]
    chosen = torch.tensor(completion)[:, None]
    return logits[len(prompt) - 1 : -1].log_softmax(-1).gather(-1, chosen).squeeze(-1)


def tar(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            archive.add(folder / name, arcname=name)
    return buffer.getvalue()


async def upload(bus: Bus, name: str, folder: Path, rank: int = 8) -> common_pb2.AdapterRef:
    data = tar(folder)
    blob = await bus.blobs.put(topology.OBJECTS_ADAPTERS, name.replace(":", "."), data)
    assert blob.sha256 == hashlib.sha256(data).hexdigest()
    return common_pb2.AdapterRef(
        name=name,
        base_model=BASE,
        job_id=name.partition(":")[0],
        policy_version=1,
        blob=blob,
        rank=rank,
    )
