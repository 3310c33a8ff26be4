"""The showcase's command says what is wrong in one sentence, as `burnish` does."""

import pytest

from burnish import cli
from examples.triton.showcase.__main__ import app


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "kernels"], "no study 'kernels' (did you mean `kernel`?)"),
        (["run", "body", "--form", "long"], "form: there is no form 'long'"),
        (["run", "body", "--arms", "sft-rx"], "arms: there is no arm 'sft-rx'"),
        (["report", "body", "--form", "long"], "form: there is no form 'long'"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments, app, "showcase") == cli.BAD_INPUT
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.splitlines()) == 1
