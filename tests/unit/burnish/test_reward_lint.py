"""Remarks on a reward's source: each rule where it should, and nothing on honest code."""

from pathlib import Path

import pytest

from burnish.reward_lint import lint

EXAMPLES = Path(__file__).parents[3] / "examples"


def of(body: str, head: str = "") -> list[tuple[int, str]]:
    source = f"{head}def reward(prompt, completion, example):\n    {body}\n"
    return [(remark.line, remark.rule) for remark in lint(source)]


@pytest.mark.parametrize(
    ("body", "head", "line", "rule"),
    [
        ("exec(completion); return len(completion)", "", 2, "executes-completion"),
        ("return subprocess.run(completion)", "import subprocess\n", 3, "executes-completion"),
        ("return len(completion)", "import requests\n", 1, "network"),
        ("return random.random() * len(completion)", "import random\n", 3, "randomness"),
        ("return time.time() - len(completion)", "import time\n", 3, "clock"),
        ("return len(prompt)", "", 1, "ignores-completion"),
        ("print(completion); return 1.0", "", 1, "constant"),
        ("return sympy.simplify(completion)", "import sympy\n", 1, "missing-package"),
        ("return open('/etc/answers').read() == completion", "", 2, "reads-file"),
        ("return float(completion) == 0.5", "", 2, "float-equality"),
        ("return 1.0 if completion == 0.1 else 0", "", 2, "float-equality"),
        ("return W[completion]", "W = torch.load('w.pt')\n", 1, "module-level"),
        ("return W[completion]", "W = {}\nfor i in range(9): W[str(i)] = i\n", 2, "module-level"),
        ("print(os.environ['KEY']); return len(completion)", "import os\n", 3, "prints-secret"),
        (
            "key = os.getenv('KEY')\n    print(f'{key}')\n    return len(completion)",
            "import os\n",
            4,
            "prints-secret",
        ),
        (
            "try:\n        return int(completion)\n    except Exception:\n        return 0",
            "",
            4,
            "hides-errors",
        ),
    ],
)
def test_each_rule_names_its_line(body: str, head: str, line: int, rule: str) -> None:
    assert (line, rule) in of(body, head)


@pytest.mark.parametrize(
    "body",
    [
        "return float(completion == example['completion'])",
        "try:\n        return int(completion)\n    except ValueError:\n        return 0",
        "if not completion:\n        return 0\n    return 1",
        "return float(len(completion) == 3)",
        "open('/tmp/x', 'w').write(completion)\n    return len(open('/tmp/x').read())",
        "open('x.txt', mode='w').write(completion)\n    return len(open('x.txt').read())",
        "import re\n    return len(re.compile('a').findall(completion))",
    ],
)
def test_honest_code_has_no_remark(body: str) -> None:
    assert of(body) == []


def test_named_packages_are_not_missing() -> None:
    source = "import sympy\ndef reward(p, completion, e): return sympy.simplify(completion)"
    assert lint(source, ["sympy==1.13.3"]) == []


@pytest.mark.parametrize(
    ("package", "module"),
    [
        ("scikit-learn>=1", "sklearn"),
        ("python-dateutil", "dateutil"),
        ("PyYAML", "yaml"),
        ("pyjwt", "jwt"),
        ("Pint[uncertainties]", "pint"),
    ],
)
def test_a_package_may_be_named_otherwise_than_its_module(package: str, module: str) -> None:
    source = f"import {module}\ndef reward(p, completion, e): return {module}.f(completion)"
    assert lint(source, [package]) == []


def test_one_named_package_says_nothing_about_another() -> None:
    source = "import sympy, pint\ndef reward(p, completion, e): return sympy.S(completion)"
    assert [remark.message for remark in lint(source, ["sympy"])] == [
        "`pint` is not among the reward's packages"
    ]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/reward*.py")), ids=lambda path: path.name)
def test_the_examples_have_no_remark(path: Path) -> None:
    assert lint(path.read_text()) == []
