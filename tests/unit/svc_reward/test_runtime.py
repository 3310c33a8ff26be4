"""A lane's OCI runtime is checked before any lane is started."""

import pytest

from svc_reward.backend import SandboxError
from svc_reward.docker_backend import _check_runtime

INFO = {"Runtimes": {"runc": {}, "io.containerd.runc.v2": {}}}


def test_a_missing_runtime_is_named_with_those_that_exist() -> None:
    with pytest.raises(SandboxError, match=r"no runtime 'runsc' \(it has .*runc\)"):
        _check_runtime(INFO, "runsc")


@pytest.mark.parametrize("name", ["", "runc"])
def test_a_known_runtime_is_accepted(name: str) -> None:
    _check_runtime(INFO, name)
