"""From a completion to a module, its flags and its kernels."""

from svc_reward.lane.kernels.flags import Flag
from svc_reward.lane.kernels.inspection import inspect

KERNEL = "@triton.jit\ndef kernel(x_ptr, size):\n    tl.store(x_ptr, size)\n"
MODEL = "class ModelNew(nn.Module):\n    def forward(self, x):\n        kernel[(1,)](x, 1)\n        return x\n"


def test_a_completion_becomes_a_module_and_its_kernels() -> None:
    found = inspect(f"```python\n{KERNEL}{MODEL}```", {"task": "x = 1"})
    assert found.source is not None
    assert found.flags == ()
    assert "def kernel" in found.kernels.source
    assert "ModelNew" not in found.kernels.source


def test_prose_is_no_module_and_the_message_says_what_is() -> None:
    found = inspect("I refuse.", {"task": ""})
    assert (found.source, found.flags) == (None, ())
    assert "@triton.jit" in found.message


def test_a_hack_is_named_with_its_line() -> None:
    found = inspect(KERNEL + MODEL + "torch.equal = None\n", {"task": ""})
    assert found.flags == (Flag.MODULE_MUTATION,)
    assert "line 9" in found.message


def test_the_completion_of_a_template_is_put_into_it() -> None:
    frame = "import triton\n@triton.jit\ndef kernel(x):\n    {{completion}}\nclass ModelNew:\n    f = kernel\n"
    found = inspect("y = x + 1", {"task": "", "template": frame})
    assert found.source == frame.replace("{{completion}}", "y = x + 1")
