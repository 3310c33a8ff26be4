"""What the text of a completion says before anything of it runs."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from . import completion as completions
from . import static_check, template
from .completion import ENTRY, FormatError
from .kernel_module import Kernels, extract

_REDUCED = re.compile(
    r"\b(?:float16|half|bfloat16)\b|allow_tf32\s*=\s*True|set_float32_matmul_precision"
)
"""What a task says that is content with less than single precision."""


class Inspected(NamedTuple):
    """A candidate's module, if the completion holds one, and the hacks that its text shows."""

    source: str | None
    kernels: Kernels
    flags: tuple[str, ...]
    message: str


def inspect(completion: str, example: Mapping[str, str]) -> Inspected:
    """Find the candidate's module and read it.

    Args:
        completion: as the model wrote it.
        example: "task", and optionally "template".

    Raises:
        TemplateError: the template is at fault.
    """
    try:
        frame = example.get("template") or ""
        source = template.fill(frame, completion) if frame else completions.extract(completion)
        tree = completions.parse(source)
        kernels = extract(source, tree)
        seen = static_check.check(tree, single=not _REDUCED.search(example.get("task", "")))
    except FormatError as error:
        text = f"{error}; expected a module with class {ENTRY} and its @triton.jit kernels"
        return Inspected(None, Kernels(""), (), text)
    except RecursionError:
        return Inspected(None, Kernels(""), (), "nested too deeply to be read")
    return Inspected(source, kernels, seen.flags, "\n".join(seen.messages))
