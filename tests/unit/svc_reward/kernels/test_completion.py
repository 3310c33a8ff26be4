"""The module in a completion of a model: fences, prose, reasoning, imports; and templates."""

import pytest

from svc_reward.lane.kernels import template
from svc_reward.lane.kernels.completion import MAX_LENGTH, FormatError, extract

KERNEL = "@triton.jit\ndef kernel(x, BLOCK: tl.constexpr):\n    pass\n"
MODEL = "class ModelNew(nn.Module):\n    def forward(self, x):\n        kernel[(1,)](x, BLOCK=2)\n        return x\n"
IMPORTS = "import torch.nn as nn; import triton; import triton.language as tl\n"
BODY = "def f(x):\n    {{completion}}\n    return x\n\n\ndef g(x):\n    return x\n"
INLINE = "def f(x):\n    out = {{completion}}\n    return out\n"


@pytest.mark.parametrize(
    "text",
    [
        KERNEL + MODEL,
        f"Here it is:\n\n{KERNEL}{MODEL}\nIt's fast, as it's fused.\n",
        f"```python\n{KERNEL}{MODEL}```",
        f"```py\n{KERNEL}{MODEL}```\nDone.",
        f"~~~\n{KERNEL}{MODEL}~~~",
        f"```python\n{KERNEL}{MODEL}",
        f"```python\n{KERNEL}```\nand\n```python\n{MODEL}```",
        f"```python\nclass ModelNew: pass\n```\nBetter:\n```python\n{KERNEL}{MODEL}```",
        f"```bash\npip install x\n```\n```python\n{KERNEL}{MODEL}```",
        f"<think>```python\nclass ModelNew: pass\n```</think>{KERNEL}{MODEL}",
        f"so, let me see</think>\n```python\n{KERNEL}{MODEL}```",
        f"<think>hm</think><answer>\n{KERNEL}{MODEL}</answer>",
        f"\ufeff```python\n{KERNEL}{MODEL}```".replace("\n", "\r\n"),
        f"\u200b{KERNEL}{MODEL}",
        "1. So:\n"
        + "".join(f"   {line}\n" for line in f"```python\n{KERNEL}{MODEL}```".split("\n")),
    ],
)
def test_the_module_is_found(text: str) -> None:
    found = [line for line in extract(text).split("\n") if line]
    assert found == (IMPORTS + KERNEL + MODEL).strip().split("\n")


def test_only_forgotten_imports_are_added_behind_docstring_and_future() -> None:
    head = '"""Adds."""\nfrom __future__ import annotations\n'
    bound = "import torch.nn as nn\nimport triton\n"
    kernel = KERNEL.replace("pass", "tl.debug_barrier()")
    assert extract(head + bound + kernel + MODEL).startswith(
        head + "import triton.language as tl\n" + bound
    )


def test_a_name_that_a_function_binds_is_no_forgotten_import() -> None:
    source = IMPORTS + KERNEL + MODEL + "def other(F, math):\n    return F + math\n"
    assert extract(source) == source


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("I cannot do that.", "no class ModelNew"),
        ("<think>class ModelNew: pass", "inside <think>"),
        ("class ModelNew:\0 pass", "null"),
        ("x" * (MAX_LENGTH + 1), "characters"),
        ("```python\nclass ModelNew(:\n```", "not Python"),
        ("```python\nclass ModelNew:\n    def f(self):\n        return (1\n", "not Python"),
        ("class ModelNew: x = " + "(" * 50_000, "not Python"),
        ("class ModelNew: x = " + "-" * 90_000 + "1", "not Python"),
        ("`" * MAX_LENGTH, "no class ModelNew"),
        ("class A(\n" * 20_000, "no class ModelNew"),
    ],
)
def test_what_holds_no_module_says_why(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        extract(text)


@pytest.mark.parametrize(
    ("frame", "text", "filled"),
    [
        (BODY, "x = 1\nx = 2", BODY.replace("{{completion}}", "x = 1\n    x = 2")),
        (
            BODY,
            "```python\nif x:\n    x = 1\n```",
            BODY.replace("{{completion}}", "if x:\n        x = 1"),
        ),
        (INLINE, " x + 1\n", INLINE.replace("{{completion}}", "(x + 1)")),
        (INLINE, "x # )", INLINE.replace("{{completion}}", "(\nx # )\n)")),
        ("{{completion}}", "x = 1", "x = 1"),
    ],
)
def test_a_template_is_filled_at_its_indentation(frame: str, text: str, filled: str) -> None:
    assert template.fill(frame, text) == filled


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (BODY, "return x\ndef g(x):\n    return 0\nif x:"),
        (BODY, "x = 1\n    return x\ndef f(x):\n    x = 2"),
        (BODY, "global g\ng = None"),
        (BODY, '"""'),
        (BODY, "# nothing"),
        (INLINE, "x)\n    print(x"),
        (INLINE, "out = x"),
        ("def g():\n    pass\n{{completion}}\n", "def g():\n    return 1"),
    ],
)
def test_a_completion_stays_in_its_slot(frame: str, text: str) -> None:
    with pytest.raises(FormatError):
        template.fill(frame, text)


@pytest.mark.parametrize(
    "frame",
    ["", "x = 1", "{{completion}}\n{{completion}}", "def (\n{{completion}}", "# {{completion}}"],
)
def test_a_template_has_one_slot(frame: str) -> None:
    with pytest.raises(template.TemplateError):
        template.fill(frame, "x = 1")
