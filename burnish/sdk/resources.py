"""The client's parts: files, rewards, jobs, adapters, models."""

import io
import tarfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from burnish import archives
from burnish.errors import UnavailableError, UserError
from burnish.reward_spec import RewardDefinition
from burnish.sdk import codec
from burnish.sdk.lifecycle import Lifecycle
from burnish.sdk.transport import Transport
from burnish.sdk.types import (
    FINISHED,
    PAUSED,
    Adapter,
    Completion,
    File,
    Job,
    JobUpdated,
    Model,
    Reward,
    RewardVerdict,
    WatchedEvent,
)
from burnish.spec import JobSpec
from burnish.v1 import (
    files_service_pb2,
    files_service_pb2_grpc,
    jobs_service_pb2,
    models_service_pb2,
    models_service_pb2_grpc,
    rewards_service_pb2,
    rewards_service_pb2_grpc,
)

_CHUNK_BYTES = 512 * 1024
_PAGE_SIZE = 200
_TEST_SECONDS = 300.0
_RECONNECT_SECONDS = 60.0
_REPLAY_IDLE_SECONDS = 1.5
_SETTLE_SECONDS = 30.0


class Files:
    """Datasets: JSONL, CSV or Parquet with a `prompt` (or `messages`) column; and adapters."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._stub = transport.stub(files_service_pb2_grpc.FilesServiceStub)

    def upload(self, path: str | Path) -> File:
        """Upload a file.

        Raises:
            UserError: It cannot be read, or is neither a dataset nor an adapter.
        """
        path = Path(path)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from None
        return self.upload_bytes(data, path.name)

    def upload_bytes(self, data: bytes, filename: str) -> File:
        reply = self._transport.send(self._stub.UploadFile, _upload_requests(data, filename))
        return codec.decode(File, reply.file)

    def list(self) -> tuple[File, ...]:
        request = files_service_pb2.ListFilesRequest(page_size=_PAGE_SIZE)
        return _pages(self._transport, self._stub.ListFiles, request, "files", File)

    def get(self, file_id: str) -> File:
        request = files_service_pb2.GetFileRequest(id=file_id)
        return codec.decode(File, self._transport.call(self._stub.GetFile, request).file)

    def content(self, file_id: str) -> bytes:
        """What was uploaded, byte for byte."""
        request = files_service_pb2.DownloadFileRequest(id=file_id)
        replies = self._transport.stream(self._stub.DownloadFile, request)
        return b"".join(reply.chunk for reply in replies)

    def delete(self, file_id: str) -> None:
        self._transport.call(self._stub.DeleteFile, files_service_pb2.DeleteFileRequest(id=file_id))


class Rewards:
    """Rewards: Python functions, graders and presets, immutable once created."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._stub = transport.stub(rewards_service_pb2_grpc.RewardsServiceStub)

    def create(self, name: str, reward: RewardDefinition | str | Path) -> Reward:
        """Create a revision from a definition, from Python source or from the file that holds it.

        The same definition again is the same revision.
        """
        request = rewards_service_pb2.CreateRewardRequest(
            name=name, definition=_definition(reward).to_proto()
        )
        return codec.decode(Reward, self._transport.call(self._stub.CreateReward, request).reward)

    def list(self) -> tuple[Reward, ...]:
        """The newest revision of each name."""
        request = rewards_service_pb2.ListRewardsRequest(page_size=_PAGE_SIZE)
        return _pages(self._transport, self._stub.ListRewards, request, "rewards", Reward)

    def get(self, name: str, revision: str = "") -> Reward:
        request = rewards_service_pb2.GetRewardRequest(name=name, revision=revision)
        return codec.decode(Reward, self._transport.call(self._stub.GetReward, request).reward)

    def test(
        self,
        *,
        reward: RewardDefinition | str | Path | None = None,
        name: str = "",
        rows: Sequence[Mapping[str, object]] = (),
        file_id: str = "",
        completions: Sequence[str] = (),
    ) -> tuple[RewardVerdict, ...]:
        """Score sample completions in the sandbox, without a job.

        The reward is `reward`, as for `create`, or the created one called `name`. The rows are
        `rows`, or the first ones of the file `file_id`. There is one completion for each row, or
        one row for all of them; with none, the rows' own `completion` columns are scored.
        """
        request = rewards_service_pb2.TestRewardRequest(
            definition=None if reward is None else _definition(reward).to_proto(),
            name=name,
            rows=codec.prompt_rows(rows),
            file_id=file_id,
            completions=completions,
        )
        reply = self._transport.call(self._stub.TestReward, request, timeout=_TEST_SECONDS)
        return tuple(codec.decode(RewardVerdict, verdict) for verdict in reply.verdicts)


class Jobs(Lifecycle):
    """Jobs and what they report."""

    def create(self, spec: JobSpec, *, request_id: str = "") -> Job:
        """Start a job whose files and rewards are uploaded (see `Client.submit`).

        Repeating a request with the same `request_id` returns the job that it made.
        """
        request = jobs_service_pb2.CreateJobRequest(
            spec=spec.to_proto(), request_id=request_id or uuid.uuid4().hex
        )
        return codec.decode(Job, self._transport.call(self._stub.CreateJob, request).job)

    def list(self) -> tuple[Job, ...]:
        """All jobs, newest first."""
        request = jobs_service_pb2.ListJobsRequest(page_size=_PAGE_SIZE)
        return _pages(self._transport, self._stub.ListJobs, request, "jobs", Job)

    def get(self, job_id: str) -> Job:
        request = jobs_service_pb2.GetJobRequest(id=job_id)
        return codec.decode(Job, self._transport.call(self._stub.GetJob, request).job)

    def cancel(self, job_id: str) -> Job:
        request = jobs_service_pb2.CancelJobRequest(id=job_id)
        return codec.decode(Job, self._transport.call(self._stub.CancelJob, request).job)

    def watch(self, job_id: str, *, after: int = 0) -> Iterator[WatchedEvent]:
        """The job's events after `after`, then live ones, until it ends or rests.

        A paused job goes on when its owner resumes it: whoever waited would wait for himself. A
        gateway that goes away is waited for, and the stream resumes where it was.

        Raises:
            UnavailableError: No gateway for a minute.
        """
        lost_at: float | None = None
        while True:
            try:
                for watched in self._events(job_id, after):
                    after, lost_at = watched.sequence, None
                    yield watched
                    if isinstance(watched.event, JobUpdated) and self._stopped(watched.event):
                        return
                if self.get(job_id).finished:
                    return
            except UnavailableError:
                lost_at = lost_at or time.monotonic()
                if time.monotonic() - lost_at > _RECONNECT_SECONDS:
                    raise
            time.sleep(0.5)

    def events(self, job_id: str, *, after: int = 0) -> tuple[WatchedEvent, ...]:
        """What has happened so far after `after`."""
        self.get(job_id)
        request = jobs_service_pb2.WatchJobRequest(id=job_id, after_sequence=after)
        replies = self._transport.replay(self._stub.WatchJob, request, idle=_REPLAY_IDLE_SECONDS)
        return tuple(filter(None, map(codec.decode_event, replies)))

    def _stopped(self, event: JobUpdated) -> bool:
        """Whether nothing comes after this event, unless the job is resumed."""
        if event.state != PAUSED:
            return event.state in FINISHED
        return self.get(event.job_id).resumes <= event.resumes

    def wait(self, job_id: str) -> Job:
        """The job when it has ended, or rests until somebody resumes it.

        Raises:
            UnavailableError: Its last event is out, but the gateway does not come to show it.
        """
        for _ in self.watch(job_id):
            pass
        deadline = time.monotonic() + _SETTLE_SECONDS
        while not ((job := self.get(job_id)).finished or job.state == PAUSED):
            if time.monotonic() > deadline:
                raise UnavailableError(f"The gateway does not show how {job_id} ended.")
            time.sleep(0.1)
        return job

    def completions(self, job_id: str, *, limit: int = 50) -> tuple[Completion, ...]:
        """The newest `limit` completions with their scores."""
        request = jobs_service_pb2.ListCompletionsRequest(
            job_id=job_id, page_size=min(limit, _PAGE_SIZE)
        )
        return _pages(
            self._transport, self._stub.ListCompletions, request, "completions", Completion, limit
        )

    def _events(self, job_id: str, after: int) -> Iterator[WatchedEvent]:
        request = jobs_service_pb2.WatchJobRequest(id=job_id, after_sequence=after)
        for reply in self._transport.stream(self._stub.WatchJob, request):
            watched = codec.decode_event(reply)
            if watched is not None:
                yield watched


class Adapters:
    """Trained adapters."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._stub = transport.stub(models_service_pb2_grpc.AdaptersServiceStub)

    def list(self, job_id: str = "") -> tuple[Adapter, ...]:
        request = models_service_pb2.ListAdaptersRequest(job_id=job_id)
        reply = self._transport.call(self._stub.ListAdapters, request)
        return tuple(codec.decode(Adapter, adapter) for adapter in reply.adapters)

    def pull(self, name: str, folder: str | Path) -> Path:
        """Download an adapter as a plain PEFT folder, and return the folder.

        Raises:
            UserError: There is something else in the folder, or it cannot be written.
        """
        target = Path(folder)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise UserError(
                f"{target} exists already", hint="choose a folder that is not there yet"
            )
        request = models_service_pb2.DownloadAdapterRequest(name=name)
        replies = self._transport.stream(self._stub.DownloadAdapter, request)
        archive = io.BytesIO(b"".join(reply.chunk for reply in replies))
        try:
            target.mkdir(parents=True, exist_ok=True)
            with tarfile.open(fileobj=archive) as tar:
                archives.unpack(tar, target)
        except OSError as error:
            raise UserError(f"cannot write to {target}: {error.strerror or error}") from None
        return target


class Models:
    """Everything that can answer a chat."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._stub = transport.stub(models_service_pb2_grpc.ModelsServiceStub)

    def list(self) -> tuple[Model, ...]:
        reply = self._transport.call(self._stub.ListModels, models_service_pb2.ListModelsRequest())
        return tuple(codec.decode(Model, model) for model in reply.models)


def read_source(path: Path) -> str:
    """A reward's source from its file.

    Raises:
        UserError: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(f"cannot read {path}: {reason}") from None


def _definition(reward: RewardDefinition | str | Path) -> RewardDefinition:
    if isinstance(reward, RewardDefinition):
        return reward
    source = read_source(reward) if isinstance(reward, Path) else reward
    return RewardDefinition.parse({"source": source})


def _upload_requests(data: bytes, filename: str) -> Iterator[files_service_pb2.UploadFileRequest]:
    yield files_service_pb2.UploadFileRequest(filename=filename, chunk=data[:_CHUNK_BYTES])
    for start in range(_CHUNK_BYTES, len(data), _CHUNK_BYTES):
        yield files_service_pb2.UploadFileRequest(chunk=data[start : start + _CHUNK_BYTES])


def _pages(  # noqa: PLR0917
    transport: Transport,
    method: Any,  # noqa: ANN401 (generated)
    request: Any,  # noqa: ANN401 (generated)
    field: str,
    cls: type[Any],
    limit: int | None = None,
) -> tuple[Any, ...]:
    found: list[Any] = []
    while True:
        reply: Any = transport.call(method, request)
        found += [codec.decode(cls, item) for item in getattr(reply, field)]
        if not reply.next_page_token or (limit is not None and len(found) >= limit):
            return tuple(found[:limit])
        request.page_token = reply.next_page_token
