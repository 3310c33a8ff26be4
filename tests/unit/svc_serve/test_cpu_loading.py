"""Which models and adapters the built-in engine takes, and what it says of the others."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import MakeAdapter, MakeCore

from burnish.errors import SetupError, UserError
from svc_serve.cpu import architecture
from svc_serve.cpu.device import choose_device, choose_dtype
from svc_serve.cpu.weights import Checkpoint

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 10,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 32,
    "rope_theta": 5000.0,
    "eos_token_id": [3, 4],
}


def write(folder: Path, config: dict[str, Any]) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_a_configuration_is_read_in_its_old_and_new_form(tmp_path: Path) -> None:
    old = architecture.read(write(tmp_path, LLAMA))
    assert (old.rope_theta, old.kv_heads, old.head_dim) == (5000.0, 2, 4)
    assert old.eos_token_ids == {3, 4}
    new = {key: value for key, value in LLAMA.items() if key != "rope_theta"}
    new["rope_parameters"] = {"rope_theta": 7.0, "rope_type": "default"}
    assert architecture.read(write(tmp_path, new)).rope_theta == 7.0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"architectures": ["GemmaForCausalLM"]}, "LlamaForCausalLM, Qwen2ForCausalLM"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8}}, "RoPE scaling 'llama3'"),
        ({"use_sliding_window": True}, "sliding-window"),
        ({"hidden_act": "gelu"}, "activation 'gelu'"),
        ({"quantization_config": {}}, "quantized"),
    ],
)
def test_other_models_are_refused_with_a_way_out(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(SetupError, match=says) as refused:
        architecture.read(write(tmp_path, LLAMA | change))
    assert "BURNISH_SERVE_ENGINE=vllm" in str(refused.value)


def test_an_incomplete_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"config\.json"):
        architecture.read(tmp_path)
    with pytest.raises(SetupError, match=r"model\.safetensors is missing"):
        Checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"peft_type": "LOHA"}, "LOHA"),
        ({"use_dora": True}, "use_dora"),
        ({"bias": "all"}, "biases"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"r": 65}, "limit of 64"),
    ],
)
def test_other_adapters_are_refused(
    make_core: MakeCore, make_adapter: MakeAdapter, change: dict[str, Any], says: str
) -> None:
    folder = make_adapter(11, targets=["q_proj"])
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | change))
    with pytest.raises(UserError, match=says):
        make_core().read_adapter(folder)


def test_an_adapter_of_an_unknown_projection_is_refused(
    make_core: MakeCore, make_adapter: MakeAdapter
) -> None:
    folder = make_adapter(12, targets=["q_proj"])
    path = folder / "adapter_model.safetensors"
    extra = {"base_model.model.lm_head.lora_A.weight": torch.zeros(4, 48)}
    save_file(load_file(path) | extra, path)
    with pytest.raises(UserError, match="lm_head"):
        make_core().read_adapter(folder)


def test_an_adapter_of_another_model_is_refused(
    make_core: MakeCore, make_adapter: MakeAdapter
) -> None:
    folder = make_adapter(13, targets=["q_proj", "k_proj"])
    path = folder / "adapter_model.safetensors"
    halves = {name: tensor[:, ::2].contiguous() for name, tensor in load_file(path).items()}
    save_file(halves, path)
    with pytest.raises(UserError, match="not trained on this base model"):
        make_core().read_adapter(folder)


def test_precision_follows_the_hardware() -> None:
    cpu = torch.device("cpu")
    assert choose_device("cpu") == cpu
    assert choose_dtype("bf16", cpu) is torch.bfloat16
    native = torch.cpu.get_capabilities()
    expected = native.get("avx512_bf16") or native.get("amx_bf16")
    assert (choose_dtype("auto", cpu) is torch.bfloat16) == bool(expected)
    with pytest.raises(SetupError, match="nowhere"):
        choose_device("nowhere")
