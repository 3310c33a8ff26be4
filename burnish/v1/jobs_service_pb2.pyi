from burnish.v1 import common_pb2 as _common_pb2
from burnish.v1 import events_pb2 as _events_pb2
from burnish.v1 import infer_pb2 as _infer_pb2
from burnish.v1 import job_pb2 as _job_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateJobRequest(_message.Message):
    __slots__ = ("spec", "request_id")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    spec: _job_pb2.JobSpec
    request_id: str
    def __init__(self, spec: _Optional[_Union[_job_pb2.JobSpec, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ("jobs", "next_page_token")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[_job_pb2.Job]
    next_page_token: str
    def __init__(self, jobs: _Optional[_Iterable[_Union[_job_pb2.Job, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class GetJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class CancelJobRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class CancelJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class PauseJobRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class PauseJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class ResumeJobRequest(_message.Message):
    __slots__ = ("id", "budget")
    ID_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    id: str
    budget: _job_pb2.Budget
    def __init__(self, id: _Optional[str] = ..., budget: _Optional[_Union[_job_pb2.Budget, _Mapping]] = ...) -> None: ...

class ResumeJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class ForkJobRequest(_message.Message):
    __slots__ = ("id", "step", "spec", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    step: int
    spec: _job_pb2.JobSpec
    request_id: str
    def __init__(self, id: _Optional[str] = ..., step: _Optional[int] = ..., spec: _Optional[_Union[_job_pb2.JobSpec, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ForkJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class ListCheckpointsRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class ListCheckpointsResponse(_message.Message):
    __slots__ = ("checkpoints",)
    CHECKPOINTS_FIELD_NUMBER: _ClassVar[int]
    checkpoints: _containers.RepeatedCompositeFieldContainer[_job_pb2.Checkpoint]
    def __init__(self, checkpoints: _Optional[_Iterable[_Union[_job_pb2.Checkpoint, _Mapping]]] = ...) -> None: ...

class WatchJobRequest(_message.Message):
    __slots__ = ("id", "after_sequence")
    ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    id: str
    after_sequence: int
    def __init__(self, id: _Optional[str] = ..., after_sequence: _Optional[int] = ...) -> None: ...

class WatchJobResponse(_message.Message):
    __slots__ = ("sequence", "job_updated", "step_completed", "policy_published", "evaluation_completed", "rewards_updated", "curriculum_advanced", "alarm_raised")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    JOB_UPDATED_FIELD_NUMBER: _ClassVar[int]
    STEP_COMPLETED_FIELD_NUMBER: _ClassVar[int]
    POLICY_PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_COMPLETED_FIELD_NUMBER: _ClassVar[int]
    REWARDS_UPDATED_FIELD_NUMBER: _ClassVar[int]
    CURRICULUM_ADVANCED_FIELD_NUMBER: _ClassVar[int]
    ALARM_RAISED_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    job_updated: _events_pb2.JobUpdated
    step_completed: _events_pb2.StepCompleted
    policy_published: _events_pb2.PolicyPublished
    evaluation_completed: _events_pb2.EvaluationCompleted
    rewards_updated: _events_pb2.RewardsUpdated
    curriculum_advanced: _events_pb2.CurriculumAdvanced
    alarm_raised: _events_pb2.AlarmRaised
    def __init__(self, sequence: _Optional[int] = ..., job_updated: _Optional[_Union[_events_pb2.JobUpdated, _Mapping]] = ..., step_completed: _Optional[_Union[_events_pb2.StepCompleted, _Mapping]] = ..., policy_published: _Optional[_Union[_events_pb2.PolicyPublished, _Mapping]] = ..., evaluation_completed: _Optional[_Union[_events_pb2.EvaluationCompleted, _Mapping]] = ..., rewards_updated: _Optional[_Union[_events_pb2.RewardsUpdated, _Mapping]] = ..., curriculum_advanced: _Optional[_Union[_events_pb2.CurriculumAdvanced, _Mapping]] = ..., alarm_raised: _Optional[_Union[_events_pb2.AlarmRaised, _Mapping]] = ...) -> None: ...

class ListCompletionsRequest(_message.Message):
    __slots__ = ("job_id", "page_size", "page_token")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    page_size: int
    page_token: str
    def __init__(self, job_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ScoredCompletion(_message.Message):
    __slots__ = ("completion_id", "group_id", "row_id", "prompt", "completion", "reward", "scores", "policy_version", "step", "purpose", "tokens", "row")
    COMPLETION_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    ROW_ID_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_FIELD_NUMBER: _ClassVar[int]
    REWARD_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    completion_id: str
    group_id: str
    row_id: str
    prompt: str
    completion: str
    reward: float
    scores: _containers.RepeatedCompositeFieldContainer[_events_pb2.Score]
    policy_version: int
    step: int
    purpose: _common_pb2.Purpose
    tokens: int
    row: _common_pb2.PromptRow
    def __init__(self, completion_id: _Optional[str] = ..., group_id: _Optional[str] = ..., row_id: _Optional[str] = ..., prompt: _Optional[str] = ..., completion: _Optional[str] = ..., reward: _Optional[float] = ..., scores: _Optional[_Iterable[_Union[_events_pb2.Score, _Mapping]]] = ..., policy_version: _Optional[int] = ..., step: _Optional[int] = ..., purpose: _Optional[_Union[_common_pb2.Purpose, str]] = ..., tokens: _Optional[int] = ..., row: _Optional[_Union[_common_pb2.PromptRow, _Mapping]] = ...) -> None: ...

class ListCompletionsResponse(_message.Message):
    __slots__ = ("completions", "next_page_token")
    COMPLETIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    completions: _containers.RepeatedCompositeFieldContainer[ScoredCompletion]
    next_page_token: str
    def __init__(self, completions: _Optional[_Iterable[_Union[ScoredCompletion, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateJobRewardsRequest(_message.Message):
    __slots__ = ("id", "rewards", "at_step", "rollback_to", "reason", "newest_set")
    ID_FIELD_NUMBER: _ClassVar[int]
    REWARDS_FIELD_NUMBER: _ClassVar[int]
    AT_STEP_FIELD_NUMBER: _ClassVar[int]
    ROLLBACK_TO_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    NEWEST_SET_FIELD_NUMBER: _ClassVar[int]
    id: str
    rewards: _containers.RepeatedCompositeFieldContainer[_common_pb2.RewardRef]
    at_step: int
    rollback_to: int
    reason: str
    newest_set: int
    def __init__(self, id: _Optional[str] = ..., rewards: _Optional[_Iterable[_Union[_common_pb2.RewardRef, _Mapping]]] = ..., at_step: _Optional[int] = ..., rollback_to: _Optional[int] = ..., reason: _Optional[str] = ..., newest_set: _Optional[int] = ...) -> None: ...

class UpdateJobRewardsResponse(_message.Message):
    __slots__ = ("job", "reward_set")
    JOB_FIELD_NUMBER: _ClassVar[int]
    REWARD_SET_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    reward_set: _job_pb2.RewardSet
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ..., reward_set: _Optional[_Union[_job_pb2.RewardSet, _Mapping]] = ...) -> None: ...

class RescoreCompletionsRequest(_message.Message):
    __slots__ = ("job_id", "definition", "name", "revision", "last", "first_step", "last_step")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    FIRST_STEP_FIELD_NUMBER: _ClassVar[int]
    LAST_STEP_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    definition: _common_pb2.RewardDefinition
    name: str
    revision: str
    last: int
    first_step: int
    last_step: int
    def __init__(self, job_id: _Optional[str] = ..., definition: _Optional[_Union[_common_pb2.RewardDefinition, _Mapping]] = ..., name: _Optional[str] = ..., revision: _Optional[str] = ..., last: _Optional[int] = ..., first_step: _Optional[int] = ..., last_step: _Optional[int] = ...) -> None: ...

class RescoreCompletionsResponse(_message.Message):
    __slots__ = ("completions",)
    COMPLETIONS_FIELD_NUMBER: _ClassVar[int]
    completions: _containers.RepeatedCompositeFieldContainer[RescoredCompletion]
    def __init__(self, completions: _Optional[_Iterable[_Union[RescoredCompletion, _Mapping]]] = ...) -> None: ...

class RescoredCompletion(_message.Message):
    __slots__ = ("completion", "verdict")
    COMPLETION_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    completion: ScoredCompletion
    verdict: _infer_pb2.RewardVerdict
    def __init__(self, completion: _Optional[_Union[ScoredCompletion, _Mapping]] = ..., verdict: _Optional[_Union[_infer_pb2.RewardVerdict, _Mapping]] = ...) -> None: ...
