"""`burnish.Client`: the platform from Python."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from burnish.errors import UserError
from burnish.reward_spec import Reward
from burnish.run_spec import Start
from burnish.sdk import codec
from burnish.sdk.job_rewards import JobRewards
from burnish.sdk.resources import Adapters, Files, Jobs, Models, Rewards, read_source
from burnish.sdk.transport import DEFAULT_ADDRESS, Transport
from burnish.sdk.types import Job, ServiceStatus
from burnish.spec import JobSpec
from burnish.v1 import common_pb2, models_service_pb2, models_service_pb2_grpc


class Client:
    """A synchronous client of one gateway; a context manager.

    Every method raises Burnish's errors with the server's own sentence: `UserError` for bad input,
    `NotFoundError`, `ConflictError`, and `UnavailableError` when nobody answers.

    Args:
        address: Host and port of the gateway's gRPC.
    """

    def __init__(self, address: str = DEFAULT_ADDRESS) -> None:
        self._transport = Transport(address)
        self._models = self._transport.stub(models_service_pb2_grpc.ModelsServiceStub)
        self._chat = self._transport.stub(models_service_pb2_grpc.ChatServiceStub)
        self.files = Files(self._transport)
        self.rewards = Rewards(self._transport)
        self.jobs = Jobs(self._transport)
        self.job_rewards = JobRewards(self._transport)
        self.adapters = Adapters(self._transport)
        self.models = Models(self._transport)

    def submit(self, spec: JobSpec, folder: str | Path = ".", *, request_id: str = "") -> Job:
        """Upload what the spec names by path, relative to `folder`, then start the job."""
        return self.jobs.create(self.upload_parts(spec, Path(folder)), request_id=request_id)

    def upload_parts(self, spec: JobSpec, folder: Path) -> JobSpec:
        """The same spec with every local file and source uploaded and named by its id."""
        changes: dict[str, object] = {
            "training_file": self._upload("training_file", spec.training_file, folder),
            "evaluation_file": self._upload("evaluation_file", spec.evaluation_file, folder),
            "rewards": tuple(self.upload_reward(reward, folder) for reward in spec.rewards),
        }
        if spec.start is not None and spec.start.file is not None:
            changes["start"] = Start(file=self._upload("start.file", spec.start.file, folder))
        return spec.model_copy(update=changes)

    def services(self) -> tuple[ServiceStatus, ...]:
        """What each service instance is doing."""
        request = models_service_pb2.ListServicesRequest()
        reply = self._transport.call(self._models.ListServices, request, timeout=5)
        return tuple(codec.decode(ServiceStatus, service) for service in reply.services)

    def chat(
        self,
        model: str,
        messages: str | Sequence[Mapping[str, str]],
        *,
        temperature: float = 0.0,
        max_tokens: int = 256,
        seed: int | None = None,
    ) -> Iterator[str]:
        """Stream the answer of a base model, an adapter or an alias, piece by piece.

        `messages` is what the user says, or a whole conversation of `role` and `content`.
        """
        turns = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
        request = models_service_pb2.ChatRequest(
            model=model,
            messages=[common_pb2.Message(**turn) for turn in turns],
            sampling=common_pb2.SamplingParams(
                temperature=temperature, max_tokens=max_tokens, seed=seed
            ),
        )
        for reply in self._transport.stream(self._chat.Chat, request):
            if reply.text:
                yield reply.text

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _upload(self, field: str, value: str, folder: Path) -> str:
        if not value:
            return ""
        path = folder / value
        if path.is_file():
            return self.files.upload(path).id
        if value.startswith("file-") and "/" not in value:
            return value
        raise UserError(f"there is no file {path}", field=field)

    def upload_reward(self, reward: Reward, folder: Path) -> Reward:
        """The reward by revision: created first when it is still a definition."""
        if reward.uploaded:
            return reward
        source = None if reward.file is None else read_source(folder / reward.file)
        revision = self.rewards.create(reward.name, reward.definition(source)).revision
        return Reward(name=reward.name, revision=revision, weight=reward.weight)
