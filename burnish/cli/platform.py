"""`burnish up`, `down`, `status`, `doctor`: the platform of one machine."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from burnish.cli import output
from burnish.cli.connect import DEFAULT_DIR, Directory
from burnish.cli.signals import interruptible
from burnish.errors import BurnishError, SetupError
from burnish.sdk import Client, ServiceStatus
from burnish.supervisor import Platform, RunDir, State, checks, nats
from burnish.supervisor.child import last_words

app = typer.Typer()

HttpPort = Annotated[int, typer.Option(min=0, max=65535, help="Console and HTTP API; 0: any.")]
GrpcPort = Annotated[int, typer.Option(min=0, max=65535, help="gRPC API; 0: any.")]
HTTP_PORT = 8080
GRPC_PORT = 50051

_DETACH_SECONDS = 300.0


@app.command()
def up(
    *,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return as soon as it is ready.")
    ] = False,
    directory: Directory = DEFAULT_DIR,
    http_port: HttpPort = HTTP_PORT,
    grpc_port: GrpcPort = GRPC_PORT,
    json: output.Json = False,
) -> None:
    """Start the whole platform: NATS and the five services."""
    if detach:
        state = _up_detached(directory, http_port, grpc_port)
        _show_state(state, as_json=json)
        return
    platform = Platform(
        directory,
        http_port=http_port,
        grpc_port=grpc_port,
        nats_port=nats.DEFAULT_PORT,
        report=(lambda _: None) if json else output.say,
    )
    with interruptible(platform):
        platform.start()
        _show_state(platform.state, as_json=json)
        if not json:
            output.say("Ctrl-C stops it.")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        if not json:
            output.say("\nStopping; Ctrl-C again stops at once.")


@app.command()
def down(directory: Directory = DEFAULT_DIR, *, json: output.Json = False) -> None:
    """Stop the platform that runs in a folder."""
    stopped = RunDir(directory).stop()
    if json:
        output.print_json({"stopped": stopped})
    else:
        output.say("Stopped." if stopped else f"Nothing runs in {directory}.")


@app.command()
def status(directory: Directory = DEFAULT_DIR, *, json: output.Json = False) -> None:
    """Say what runs and what it is doing; exits 1 when nothing does."""
    state = RunDir(directory).running()
    if state is None:
        if json:
            output.print_json({"running": False})
        else:
            output.say(f"Nothing runs in {directory}: start it with `burnish up`.")
        raise typer.Exit(1)
    services = _services(state)
    if json:
        output.print_json({"running": True, **output.plain(state), "services": services})
        return
    _show_state(state, as_json=False, services=services)
    output.print_table(("service", "process", "doing"), status_rows(state, services), "")


@app.command()
def doctor(directory: Directory = DEFAULT_DIR, *, json: output.Json = False) -> None:
    """Check that this machine has what Burnish needs; exits 1 when it has not."""
    running = RunDir(directory).running() is not None
    found = checks.run_checks(
        directory.absolute(),
        Platform(directory).models_dir,
        {} if running else {"http": HTTP_PORT, "grpc": GRPC_PORT},
    )
    if json:
        output.print_json(found)
    else:
        marks = {(True, True): "ok", (True, False): "ok", (False, True): "PROBLEM"}
        rows = (
            (marks.get((check.ok, check.required), "note"), check.name, check.message)
            for check in found
        )
        output.print_table(("", "check", "found"), rows, "")
    if any(check.required and not check.ok for check in found):
        raise typer.Exit(1)


def _up_detached(directory: Path, http_port: int, grpc_port: int) -> State:
    run_dir = RunDir(directory)
    run_dir.acquire().release()  # says at once when one runs here, or the folder is not ours
    log = run_dir.log("up")
    command = (
        *(sys.executable, "-m", "burnish", "up", "--dir", str(run_dir.path)),
        *("--http-port", str(http_port), "--grpc-port", str(grpc_port)),
    )
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 (ourselves)
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            env=os.environ,
        )
    deadline = time.monotonic() + _DETACH_SECONDS
    while time.monotonic() < deadline:
        state = run_dir.running()
        if state is not None and state.ready:
            return state
        if process.poll() is not None:
            raise SetupError(last_words(log, "").removeprefix("burnish: ") or "it did not start")
        time.sleep(0.1)
    run_dir.stop()
    raise SetupError(f"Burnish did not become ready; its log is {log}.")


def _services(state: State) -> tuple[ServiceStatus, ...]:
    try:
        with Client(state.grpc_address) as client:
            return client.services()
    except BurnishError:
        return ()


def _show_state(
    state: State, *, as_json: bool, services: Sequence[ServiceStatus] | None = None
) -> None:
    if as_json:
        output.print_json(state)
        return
    output.print_fields(
        {
            "console": state.http_url,
            "OpenAI API": f"{state.http_url}/v1",
            "gRPC": state.grpc_address,
            "NATS": state.nats_url,
            "isolation of scores": isolation(
                state.sandbox, _services(state) if services is None else services
            ),
        }
    )


def status_rows(
    state: State, services: Sequence[ServiceStatus]
) -> Iterator[tuple[str, str | int, str]]:
    """What runs, by service: this platform's own process, then instances from elsewhere."""
    for name in sorted({*state.pids, *state.problems, *(one.service for one in services)}):
        instances = [one for one in services if one.service == name]
        pid = state.pids.get(name)
        own = next((one for one in instances if one.instance.endswith(f"-{pid}")), None)
        if pid is not None or name in state.problems:
            doing = own.activity if own is not None else ""
            yield name, pid or "", state.problems.get(name) or doing
        yield from ((name, one.instance, one.activity) for one in instances if one is not own)


def isolation(wanted: str, services: Sequence[ServiceStatus]) -> str:
    """As scores will name it: what reward services report, else what they were started with."""
    found = {one.details.get("sandbox", "") for one in services if one.service == "reward"} - {""}
    names = ", ".join(sorted(found)) or wanted
    return names if names == "docker" else f"{names} (for development)"
