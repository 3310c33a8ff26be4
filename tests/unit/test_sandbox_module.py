"""`burnish.sandbox` outside of a lane: what a reward's own unit test sees."""

import os

import pytest

from burnish import sandbox

pytestmark = pytest.mark.filterwarnings("ignore::burnish.sandbox.NoSandboxWarning")


def test_it_says_that_it_is_no_sandbox() -> None:
    with pytest.warns(sandbox.NoSandboxWarning, match="plain subprocess"):
        sandbox.run("")


def test_a_program_gets_its_input_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    done = sandbox.run("import os; print(input(), 'SECRET' in os.environ)", "hi\n")
    assert (done.ok, done.stdout) == (True, "hi False\n")
    assert "SECRET" in os.environ


def test_a_failure_is_told() -> None:
    done = sandbox.run("raise SystemExit(3)")
    assert (done.ok, done.exit_code) == (False, 3)
    assert "ZeroDivisionError" in sandbox.run("1 / 0").stderr


def test_time_and_output_are_limited() -> None:
    assert sandbox.run("while True: pass", timeout=0.2).timed_out
    loud = sandbox.run(f"print('x' * {2 * sandbox.MAX_OUTPUT})")
    assert loud.truncated
    assert len(loud.stdout) == sandbox.MAX_OUTPUT


@pytest.mark.parametrize("arguments", [("x" * (sandbox.MAX_CODE + 1),), ("", "", 0.0)])
def test_arguments_that_cannot_be_used(arguments: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"code|timeout"):
        sandbox.run(*arguments)  # type: ignore[arg-type]
