"""One thin class for each gRPC service: unpack, call the use case, pack."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from burnish.errors import UserError
from burnish.reward_spec import RewardDefinition
from burnish.v1 import (
    files_service_pb2,
    files_service_pb2_grpc,
    jobs_service_pb2,
    jobs_service_pb2_grpc,
    models_service_pb2,
    models_service_pb2_grpc,
    rewards_service_pb2,
    rewards_service_pb2_grpc,
)
from svc_gateway import codec
from svc_gateway.adapters import Adapters, pieces
from svc_gateway.chat import Chat
from svc_gateway.events import Events
from svc_gateway.files import Files
from svc_gateway.jobs import Jobs
from svc_gateway.lifecycle import Lifecycle
from svc_gateway.models import Models
from svc_gateway.projection import Queries
from svc_gateway.rescoring import Rescoring
from svc_gateway.reward_updates import RewardUpdates
from svc_gateway.rewards import Rewards, warnings_of

Context = Any
"""Servicers need none of it: errors are raised, and the interceptor knows the rest."""


@dataclass(frozen=True, slots=True)
class UseCases:
    """All that the gateway can do, whatever the protocol."""

    files: Files
    rewards: Rewards
    jobs: Jobs
    lifecycle: Lifecycle
    reward_updates: RewardUpdates
    rescoring: Rescoring
    events: Events
    models: Models
    adapters: Adapters
    chat: Chat
    queries: Queries


class FilesServicer(files_service_pb2_grpc.FilesServiceServicer):
    def __init__(self, files: Files) -> None:
        self._files = files

    async def UploadFile(  # noqa: N802
        self, request_iterator: AsyncIterator[files_service_pb2.UploadFileRequest], _: Context
    ) -> files_service_pb2.UploadFileResponse:
        first = await anext(aiter(request_iterator), None)
        if first is None:
            raise UserError("the upload has no message", field="filename")

        async def chunks() -> AsyncIterator[bytes]:
            yield first.chunk
            async for request in request_iterator:
                yield request.chunk

        file = await self._files.upload(first.filename, chunks())
        return files_service_pb2.UploadFileResponse(file=file)

    async def ListFiles(  # noqa: N802
        self, request: files_service_pb2.ListFilesRequest, _: Context
    ) -> files_service_pb2.ListFilesResponse:
        page = await self._files.list(size=request.page_size, token=request.page_token)
        return files_service_pb2.ListFilesResponse(
            files=page.items, next_page_token=page.next_token
        )

    async def GetFile(  # noqa: N802
        self, request: files_service_pb2.GetFileRequest, _: Context
    ) -> files_service_pb2.GetFileResponse:
        return files_service_pb2.GetFileResponse(file=await self._files.get(request.id))

    async def DeleteFile(  # noqa: N802
        self, request: files_service_pb2.DeleteFileRequest, _: Context
    ) -> files_service_pb2.DeleteFileResponse:
        await self._files.delete(request.id)
        return files_service_pb2.DeleteFileResponse()

    async def PreviewFile(  # noqa: N802
        self, request: files_service_pb2.PreviewFileRequest, _: Context
    ) -> files_service_pb2.PreviewFileResponse:
        rows = await self._files.preview(request.id, request.limit)
        return files_service_pb2.PreviewFileResponse(rows=[codec.prompt_row(row) for row in rows])

    async def DownloadFile(  # noqa: N802
        self, request: files_service_pb2.DownloadFileRequest, _: Context
    ) -> AsyncIterator[files_service_pb2.DownloadFileResponse]:
        async for piece in pieces(await self._files.content(request.id)):
            yield files_service_pb2.DownloadFileResponse(chunk=piece)


class RewardsServicer(rewards_service_pb2_grpc.RewardsServiceServicer):
    def __init__(self, rewards: Rewards, files: Files) -> None:
        self._rewards = rewards
        self._files = files

    async def CreateReward(  # noqa: N802
        self, request: rewards_service_pb2.CreateRewardRequest, _: Context
    ) -> rewards_service_pb2.CreateRewardResponse:
        definition = RewardDefinition.from_proto(request.definition)
        reward = await self._rewards.create(request.name, definition)
        return rewards_service_pb2.CreateRewardResponse(reward=reward)

    async def ListRewards(  # noqa: N802
        self, request: rewards_service_pb2.ListRewardsRequest, _: Context
    ) -> rewards_service_pb2.ListRewardsResponse:
        page = await self._rewards.list(size=request.page_size, token=request.page_token)
        return rewards_service_pb2.ListRewardsResponse(
            rewards=page.items, next_page_token=page.next_token
        )

    async def GetReward(  # noqa: N802
        self, request: rewards_service_pb2.GetRewardRequest, _: Context
    ) -> rewards_service_pb2.GetRewardResponse:
        reward = await self._rewards.get(request.name, request.revision)
        return rewards_service_pb2.GetRewardResponse(reward=reward)

    async def TestReward(  # noqa: N802
        self, request: rewards_service_pb2.TestRewardRequest, _: Context
    ) -> rewards_service_pb2.TestRewardResponse:
        if request.HasField("definition") == bool(request.name):
            raise UserError("send either a definition or the name of a reward", field="definition")
        definition = RewardDefinition.from_proto(
            (await self._rewards.get(request.name)).definition
            if request.name
            else request.definition
        )
        rows = [codec.dataset_row(row) for row in request.rows]
        if not rows:
            rows = list(await self._files.preview(request.file_id, len(request.completions)))
        verdicts = await self._rewards.test(definition, rows, request.completions)
        return rewards_service_pb2.TestRewardResponse(
            verdicts=verdicts, warnings=warnings_of(definition)
        )


class JobsServicer(jobs_service_pb2_grpc.JobsServiceServicer):
    def __init__(self, use: UseCases) -> None:
        self._jobs = use.jobs
        self._lifecycle = use.lifecycle
        self._events = use.events
        self._updates = use.reward_updates
        self._rescoring = use.rescoring

    async def CreateJob(  # noqa: N802
        self, request: jobs_service_pb2.CreateJobRequest, _: Context
    ) -> jobs_service_pb2.CreateJobResponse:
        job = await self._jobs.create(request.spec, request.request_id)
        return jobs_service_pb2.CreateJobResponse(job=job)

    async def ListJobs(  # noqa: N802
        self, request: jobs_service_pb2.ListJobsRequest, _: Context
    ) -> jobs_service_pb2.ListJobsResponse:
        page = await self._jobs.list(size=request.page_size, token=request.page_token)
        return jobs_service_pb2.ListJobsResponse(jobs=page.items, next_page_token=page.next_token)

    async def GetJob(  # noqa: N802
        self, request: jobs_service_pb2.GetJobRequest, _: Context
    ) -> jobs_service_pb2.GetJobResponse:
        return jobs_service_pb2.GetJobResponse(job=await self._jobs.get(request.id))

    async def CancelJob(  # noqa: N802
        self, request: jobs_service_pb2.CancelJobRequest, _: Context
    ) -> jobs_service_pb2.CancelJobResponse:
        return jobs_service_pb2.CancelJobResponse(job=await self._jobs.cancel(request.id))

    async def PauseJob(  # noqa: N802
        self, request: jobs_service_pb2.PauseJobRequest, _: Context
    ) -> jobs_service_pb2.PauseJobResponse:
        return jobs_service_pb2.PauseJobResponse(job=await self._lifecycle.pause(request.id))

    async def ResumeJob(  # noqa: N802
        self, request: jobs_service_pb2.ResumeJobRequest, _: Context
    ) -> jobs_service_pb2.ResumeJobResponse:
        return jobs_service_pb2.ResumeJobResponse(job=await self._lifecycle.resume(request))

    async def ForkJob(  # noqa: N802
        self, request: jobs_service_pb2.ForkJobRequest, _: Context
    ) -> jobs_service_pb2.ForkJobResponse:
        return jobs_service_pb2.ForkJobResponse(job=await self._lifecycle.fork(request))

    async def ListCheckpoints(  # noqa: N802
        self, request: jobs_service_pb2.ListCheckpointsRequest, _: Context
    ) -> jobs_service_pb2.ListCheckpointsResponse:
        checkpoints = await self._lifecycle.checkpoints(request.job_id)
        return jobs_service_pb2.ListCheckpointsResponse(checkpoints=checkpoints)

    async def WatchJob(  # noqa: N802
        self, request: jobs_service_pb2.WatchJobRequest, _: Context
    ) -> AsyncIterator[jobs_service_pb2.WatchJobResponse]:
        await self._jobs.get(request.id)
        async for event in self._events.follow(request.id, after=request.after_sequence):
            yield codec.watched(event.sequence, event.message)

    async def ListCompletions(  # noqa: N802
        self, request: jobs_service_pb2.ListCompletionsRequest, _: Context
    ) -> jobs_service_pb2.ListCompletionsResponse:
        page = await self._jobs.completions(
            request.job_id, size=request.page_size, token=request.page_token
        )
        return jobs_service_pb2.ListCompletionsResponse(
            completions=page.items, next_page_token=page.next_token
        )

    async def UpdateJobRewards(  # noqa: N802
        self, request: jobs_service_pb2.UpdateJobRewardsRequest, _: Context
    ) -> jobs_service_pb2.UpdateJobRewardsResponse:
        added = await self._updates.update(request)
        return jobs_service_pb2.UpdateJobRewardsResponse(
            job=await self._jobs.get(request.id), reward_set=added
        )

    async def RescoreCompletions(  # noqa: N802
        self, request: jobs_service_pb2.RescoreCompletionsRequest, _: Context
    ) -> jobs_service_pb2.RescoreCompletionsResponse:
        return jobs_service_pb2.RescoreCompletionsResponse(
            completions=await self._rescoring.rescore(request)
        )


class ModelsServicer(models_service_pb2_grpc.ModelsServiceServicer):
    def __init__(self, models: Models, queries: Queries) -> None:
        self._models = models
        self._queries = queries

    async def ListModels(  # noqa: N802
        self, _request: models_service_pb2.ListModelsRequest, _: Context
    ) -> models_service_pb2.ListModelsResponse:
        times = await self._queries.adapter_times()
        bases = [
            models_service_pb2.Model(id=name, base_model=name)
            for name in await self._models.base_models()
        ]
        # Newest first: the one that people look for.
        tuned = [
            models_service_pb2.Model(
                id=adapter.name,
                job_id=adapter.job_id,
                base_model=adapter.base_model,
                created_at=codec.timestamp(times.get(adapter.name)),
            )
            for adapter in sorted(
                await self._models.adapters(),
                key=lambda adapter: (times.get(adapter.name, 0.0), adapter.policy_version),
                reverse=True,
            )
        ]
        return models_service_pb2.ListModelsResponse(models=[*bases, *tuned])

    async def ListServices(  # noqa: N802
        self, _request: models_service_pb2.ListServicesRequest, _: Context
    ) -> models_service_pb2.ListServicesResponse:
        return models_service_pb2.ListServicesResponse(services=await self._models.services())


class AdaptersServicer(models_service_pb2_grpc.AdaptersServiceServicer):
    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters

    async def ListAdapters(  # noqa: N802
        self, request: models_service_pb2.ListAdaptersRequest, _: Context
    ) -> models_service_pb2.ListAdaptersResponse:
        adapters = await self._adapters.list(request.job_id)
        return models_service_pb2.ListAdaptersResponse(adapters=adapters)

    async def DownloadAdapter(  # noqa: N802
        self, request: models_service_pb2.DownloadAdapterRequest, _: Context
    ) -> AsyncIterator[models_service_pb2.DownloadAdapterResponse]:
        _adapter, content = await self._adapters.content(request.name)
        async for piece in pieces(content):
            yield models_service_pb2.DownloadAdapterResponse(chunk=piece)


class ChatServicer(models_service_pb2_grpc.ChatServiceServicer):
    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    async def Chat(  # noqa: N802
        self, request: models_service_pb2.ChatRequest, _: Context
    ) -> AsyncIterator[models_service_pb2.ChatResponse]:
        async for response in self._chat.chat(request):
            yield response


def servicers(use: UseCases) -> dict[str, object]:
    """Each service's full name and who answers for it."""
    return {
        "burnish.v1.FilesService": FilesServicer(use.files),
        "burnish.v1.RewardsService": RewardsServicer(use.rewards, use.files),
        "burnish.v1.JobsService": JobsServicer(use),
        "burnish.v1.ModelsService": ModelsServicer(use.models, use.queries),
        "burnish.v1.AdaptersService": AdaptersServicer(use.adapters),
        "burnish.v1.ChatService": ChatServicer(use.chat),
    }
