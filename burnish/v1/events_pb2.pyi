import datetime

from burnish.v1 import common_pb2 as _common_pb2
from burnish.v1 import job_pb2 as _job_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScoreStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCORE_STATUS_UNSPECIFIED: _ClassVar[ScoreStatus]
    SCORE_STATUS_OK: _ClassVar[ScoreStatus]
    SCORE_STATUS_INVALID: _ClassVar[ScoreStatus]
    SCORE_STATUS_ERROR: _ClassVar[ScoreStatus]
    SCORE_STATUS_TIMEOUT: _ClassVar[ScoreStatus]
    SCORE_STATUS_MEMORY_LIMIT: _ClassVar[ScoreStatus]
    SCORE_STATUS_DISK_LIMIT: _ClassVar[ScoreStatus]
    SCORE_STATUS_OUTPUT_LIMIT: _ClassVar[ScoreStatus]
    SCORE_STATUS_INVALID_SCORE: _ClassVar[ScoreStatus]
    SCORE_STATUS_CRASH: _ClassVar[ScoreStatus]
    SCORE_STATUS_BLOCKED: _ClassVar[ScoreStatus]
    SCORE_STATUS_SANDBOX_UNAVAILABLE: _ClassVar[ScoreStatus]
    SCORE_STATUS_LANE_ERROR: _ClassVar[ScoreStatus]

class CancelReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CANCEL_REASON_UNSPECIFIED: _ClassVar[CancelReason]
    CANCEL_REASON_JOB_CANCELLED: _ClassVar[CancelReason]
    CANCEL_REASON_STALE: _ClassVar[CancelReason]
    CANCEL_REASON_SAMPLING_FAILED: _ClassVar[CancelReason]
    CANCEL_REASON_REFUSED: _ClassVar[CancelReason]
SCORE_STATUS_UNSPECIFIED: ScoreStatus
SCORE_STATUS_OK: ScoreStatus
SCORE_STATUS_INVALID: ScoreStatus
SCORE_STATUS_ERROR: ScoreStatus
SCORE_STATUS_TIMEOUT: ScoreStatus
SCORE_STATUS_MEMORY_LIMIT: ScoreStatus
SCORE_STATUS_DISK_LIMIT: ScoreStatus
SCORE_STATUS_OUTPUT_LIMIT: ScoreStatus
SCORE_STATUS_INVALID_SCORE: ScoreStatus
SCORE_STATUS_CRASH: ScoreStatus
SCORE_STATUS_BLOCKED: ScoreStatus
SCORE_STATUS_SANDBOX_UNAVAILABLE: ScoreStatus
SCORE_STATUS_LANE_ERROR: ScoreStatus
CANCEL_REASON_UNSPECIFIED: CancelReason
CANCEL_REASON_JOB_CANCELLED: CancelReason
CANCEL_REASON_STALE: CancelReason
CANCEL_REASON_SAMPLING_FAILED: CancelReason
CANCEL_REASON_REFUSED: CancelReason

class JobRequested(_message.Message):
    __slots__ = ("project", "job_id", "resumes")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    RESUMES_FIELD_NUMBER: _ClassVar[int]
    project: str
    job_id: str
    resumes: int
    def __init__(self, project: _Optional[str] = ..., job_id: _Optional[str] = ..., resumes: _Optional[int] = ...) -> None: ...

class RolloutRequested(_message.Message):
    __slots__ = ("project", "job_id", "group_id", "purpose", "row", "group_size", "base_model", "adapter", "sampling", "rewards", "context", "on_reward_error", "deterministic", "time", "attempt")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    GROUP_SIZE_FIELD_NUMBER: _ClassVar[int]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    REWARDS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    ON_REWARD_ERROR_FIELD_NUMBER: _ClassVar[int]
    DETERMINISTIC_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    project: str
    job_id: str
    group_id: str
    purpose: _common_pb2.Purpose
    row: _common_pb2.PromptRow
    group_size: int
    base_model: str
    adapter: _common_pb2.AdapterRef
    sampling: _common_pb2.SamplingParams
    rewards: _containers.RepeatedCompositeFieldContainer[_common_pb2.RewardRef]
    context: _common_pb2.RewardContext
    on_reward_error: _job_pb2.OnRewardError
    deterministic: bool
    time: _timestamp_pb2.Timestamp
    attempt: int
    def __init__(self, project: _Optional[str] = ..., job_id: _Optional[str] = ..., group_id: _Optional[str] = ..., purpose: _Optional[_Union[_common_pb2.Purpose, str]] = ..., row: _Optional[_Union[_common_pb2.PromptRow, _Mapping]] = ..., group_size: _Optional[int] = ..., base_model: _Optional[str] = ..., adapter: _Optional[_Union[_common_pb2.AdapterRef, _Mapping]] = ..., sampling: _Optional[_Union[_common_pb2.SamplingParams, _Mapping]] = ..., rewards: _Optional[_Iterable[_Union[_common_pb2.RewardRef, _Mapping]]] = ..., context: _Optional[_Union[_common_pb2.RewardContext, _Mapping]] = ..., on_reward_error: _Optional[_Union[_job_pb2.OnRewardError, str]] = ..., deterministic: _Optional[bool] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempt: _Optional[int] = ...) -> None: ...

class RolloutCompleted(_message.Message):
    __slots__ = ("project", "job_id", "group_id", "completion_id", "index", "group_size", "purpose", "row", "completion", "prompt_token_ids", "completion_token_ids", "logprobs", "finish_reason", "policy_version", "adapter", "rewards", "context", "on_reward_error", "seconds", "waited_seconds", "time", "attempt")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_ID_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    GROUP_SIZE_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKEN_IDS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKEN_IDS_FIELD_NUMBER: _ClassVar[int]
    LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_FIELD_NUMBER: _ClassVar[int]
    REWARDS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    ON_REWARD_ERROR_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    WAITED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    project: str
    job_id: str
    group_id: str
    completion_id: str
    index: int
    group_size: int
    purpose: _common_pb2.Purpose
    row: _common_pb2.PromptRow
    completion: str
    prompt_token_ids: _containers.RepeatedScalarFieldContainer[int]
    completion_token_ids: _containers.RepeatedScalarFieldContainer[int]
    logprobs: _containers.RepeatedScalarFieldContainer[float]
    finish_reason: _common_pb2.FinishReason
    policy_version: int
    adapter: str
    rewards: _containers.RepeatedCompositeFieldContainer[_common_pb2.RewardRef]
    context: _common_pb2.RewardContext
    on_reward_error: _job_pb2.OnRewardError
    seconds: float
    waited_seconds: float
    time: _timestamp_pb2.Timestamp
    attempt: int
    def __init__(self, project: _Optional[str] = ..., job_id: _Optional[str] = ..., group_id: _Optional[str] = ..., completion_id: _Optional[str] = ..., index: _Optional[int] = ..., group_size: _Optional[int] = ..., purpose: _Optional[_Union[_common_pb2.Purpose, str]] = ..., row: _Optional[_Union[_common_pb2.PromptRow, _Mapping]] = ..., completion: _Optional[str] = ..., prompt_token_ids: _Optional[_Iterable[int]] = ..., completion_token_ids: _Optional[_Iterable[int]] = ..., logprobs: _Optional[_Iterable[float]] = ..., finish_reason: _Optional[_Union[_common_pb2.FinishReason, str]] = ..., policy_version: _Optional[int] = ..., adapter: _Optional[str] = ..., rewards: _Optional[_Iterable[_Union[_common_pb2.RewardRef, _Mapping]]] = ..., context: _Optional[_Union[_common_pb2.RewardContext, _Mapping]] = ..., on_reward_error: _Optional[_Union[_job_pb2.OnRewardError, str]] = ..., seconds: _Optional[float] = ..., waited_seconds: _Optional[float] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempt: _Optional[int] = ...) -> None: ...

class GroupCompleted(_message.Message):
    __slots__ = ("project", "job_id", "group_id", "completions")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    COMPLETIONS_FIELD_NUMBER: _ClassVar[int]
    project: str
    job_id: str
    group_id: str
    completions: _containers.RepeatedCompositeFieldContainer[RolloutCompleted]
    def __init__(self, project: _Optional[str] = ..., job_id: _Optional[str] = ..., group_id: _Optional[str] = ..., completions: _Optional[_Iterable[_Union[RolloutCompleted, _Mapping]]] = ...) -> None: ...

class Score(_message.Message):
    __slots__ = ("name", "revision", "status", "value", "weight", "message", "stdout", "seconds", "cpu_ms", "isolation", "flags", "parts", "image", "seed")
    class PartsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STDOUT_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    CPU_MS_FIELD_NUMBER: _ClassVar[int]
    ISOLATION_FIELD_NUMBER: _ClassVar[int]
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    name: str
    revision: str
    status: ScoreStatus
    value: float
    weight: float
    message: str
    stdout: str
    seconds: float
    cpu_ms: float
    isolation: str
    flags: _containers.RepeatedScalarFieldContainer[str]
    parts: _containers.ScalarMap[str, float]
    image: str
    seed: int
    def __init__(self, name: _Optional[str] = ..., revision: _Optional[str] = ..., status: _Optional[_Union[ScoreStatus, str]] = ..., value: _Optional[float] = ..., weight: _Optional[float] = ..., message: _Optional[str] = ..., stdout: _Optional[str] = ..., seconds: _Optional[float] = ..., cpu_ms: _Optional[float] = ..., isolation: _Optional[str] = ..., flags: _Optional[_Iterable[str]] = ..., parts: _Optional[_Mapping[str, float]] = ..., image: _Optional[str] = ..., seed: _Optional[int] = ...) -> None: ...

class RewardScored(_message.Message):
    __slots__ = ("completion", "scores", "reward", "message", "fatal", "seconds", "waited_seconds")
    COMPLETION_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    REWARD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FATAL_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    WAITED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    completion: RolloutCompleted
    scores: _containers.RepeatedCompositeFieldContainer[Score]
    reward: float
    message: str
    fatal: bool
    seconds: float
    waited_seconds: float
    def __init__(self, completion: _Optional[_Union[RolloutCompleted, _Mapping]] = ..., scores: _Optional[_Iterable[_Union[Score, _Mapping]]] = ..., reward: _Optional[float] = ..., message: _Optional[str] = ..., fatal: _Optional[bool] = ..., seconds: _Optional[float] = ..., waited_seconds: _Optional[float] = ...) -> None: ...

class GroupCancelled(_message.Message):
    __slots__ = ("project", "job_id", "group_id", "reason", "message", "attempt")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    project: str
    job_id: str
    group_id: str
    reason: CancelReason
    message: str
    attempt: int
    def __init__(self, project: _Optional[str] = ..., job_id: _Optional[str] = ..., group_id: _Optional[str] = ..., reason: _Optional[_Union[CancelReason, str]] = ..., message: _Optional[str] = ..., attempt: _Optional[int] = ...) -> None: ...

class PolicyPublished(_message.Message):
    __slots__ = ("project", "job_id", "adapter", "time")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    project: str
    job_id: str
    adapter: _common_pb2.AdapterRef
    time: _timestamp_pb2.Timestamp
    def __init__(self, project: _Optional[str] = ..., job_id: _Optional[str] = ..., adapter: _Optional[_Union[_common_pb2.AdapterRef, _Mapping]] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class JobUpdated(_message.Message):
    __slots__ = ("project", "job_id", "state", "stage", "message", "total_steps", "time", "resumes")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_STEPS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    RESUMES_FIELD_NUMBER: _ClassVar[int]
    project: str
    job_id: str
    state: _job_pb2.JobState
    stage: str
    message: str
    total_steps: int
    time: _timestamp_pb2.Timestamp
    resumes: int
    def __init__(self, project: _Optional[str] = ..., job_id: _Optional[str] = ..., state: _Optional[_Union[_job_pb2.JobState, str]] = ..., stage: _Optional[str] = ..., message: _Optional[str] = ..., total_steps: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., resumes: _Optional[int] = ...) -> None: ...

class StepCompleted(_message.Message):
    __slots__ = ("project", "job_id", "stage", "step", "total_steps", "metrics", "time", "group_ids", "bottleneck", "usage")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    TOTAL_STEPS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    GROUP_IDS_FIELD_NUMBER: _ClassVar[int]
    BOTTLENECK_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    project: str
    job_id: str
    stage: str
    step: int
    total_steps: int
    metrics: _containers.ScalarMap[str, float]
    time: _timestamp_pb2.Timestamp
    group_ids: _containers.RepeatedScalarFieldContainer[str]
    bottleneck: str
    usage: _job_pb2.Usage
    def __init__(self, project: _Optional[str] = ..., job_id: _Optional[str] = ..., stage: _Optional[str] = ..., step: _Optional[int] = ..., total_steps: _Optional[int] = ..., metrics: _Optional[_Mapping[str, float]] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., group_ids: _Optional[_Iterable[str]] = ..., bottleneck: _Optional[str] = ..., usage: _Optional[_Union[_job_pb2.Usage, _Mapping]] = ...) -> None: ...

class RewardsUpdated(_message.Message):
    __slots__ = ("project", "job_id", "step", "before", "after", "reason", "time")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    project: str
    job_id: str
    step: int
    before: _job_pb2.RewardSet
    after: _job_pb2.RewardSet
    reason: str
    time: _timestamp_pb2.Timestamp
    def __init__(self, project: _Optional[str] = ..., job_id: _Optional[str] = ..., step: _Optional[int] = ..., before: _Optional[_Union[_job_pb2.RewardSet, _Mapping]] = ..., after: _Optional[_Union[_job_pb2.RewardSet, _Mapping]] = ..., reason: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class EvaluatedCompletion(_message.Message):
    __slots__ = ("row_id", "prompt", "completion", "reward", "scores")
    ROW_ID_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_FIELD_NUMBER: _ClassVar[int]
    REWARD_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    row_id: str
    prompt: str
    completion: str
    reward: float
    scores: _containers.RepeatedCompositeFieldContainer[Score]
    def __init__(self, row_id: _Optional[str] = ..., prompt: _Optional[str] = ..., completion: _Optional[str] = ..., reward: _Optional[float] = ..., scores: _Optional[_Iterable[_Union[Score, _Mapping]]] = ...) -> None: ...

class EvaluationCompleted(_message.Message):
    __slots__ = ("project", "job_id", "label", "policy_version", "adapter", "reward_mean", "score_means", "completions", "time", "pass_at", "samples", "best", "gap")
    class ScoreMeansEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class PassAtEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: float
        def __init__(self, key: _Optional[int] = ..., value: _Optional[float] = ...) -> None: ...
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_FIELD_NUMBER: _ClassVar[int]
    REWARD_MEAN_FIELD_NUMBER: _ClassVar[int]
    SCORE_MEANS_FIELD_NUMBER: _ClassVar[int]
    COMPLETIONS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    PASS_AT_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    BEST_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    project: str
    job_id: str
    label: str
    policy_version: int
    adapter: str
    reward_mean: float
    score_means: _containers.ScalarMap[str, float]
    completions: _containers.RepeatedCompositeFieldContainer[EvaluatedCompletion]
    time: _timestamp_pb2.Timestamp
    pass_at: _containers.ScalarMap[int, float]
    samples: int
    best: bool
    gap: float
    def __init__(self, project: _Optional[str] = ..., job_id: _Optional[str] = ..., label: _Optional[str] = ..., policy_version: _Optional[int] = ..., adapter: _Optional[str] = ..., reward_mean: _Optional[float] = ..., score_means: _Optional[_Mapping[str, float]] = ..., completions: _Optional[_Iterable[_Union[EvaluatedCompletion, _Mapping]]] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., pass_at: _Optional[_Mapping[int, float]] = ..., samples: _Optional[int] = ..., best: _Optional[bool] = ..., gap: _Optional[float] = ...) -> None: ...

class CurriculumAdvanced(_message.Message):
    __slots__ = ("project", "job_id", "step", "level", "number", "levels", "message", "time")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    project: str
    job_id: str
    step: int
    level: str
    number: int
    levels: int
    message: str
    time: _timestamp_pb2.Timestamp
    def __init__(self, project: _Optional[str] = ..., job_id: _Optional[str] = ..., step: _Optional[int] = ..., level: _Optional[str] = ..., number: _Optional[int] = ..., levels: _Optional[int] = ..., message: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AlarmRaised(_message.Message):
    __slots__ = ("project", "job_id", "step", "kind", "message", "value", "threshold", "paused", "time")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    project: str
    job_id: str
    step: int
    kind: str
    message: str
    value: float
    threshold: float
    paused: bool
    time: _timestamp_pb2.Timestamp
    def __init__(self, project: _Optional[str] = ..., job_id: _Optional[str] = ..., step: _Optional[int] = ..., kind: _Optional[str] = ..., message: _Optional[str] = ..., value: _Optional[float] = ..., threshold: _Optional[float] = ..., paused: _Optional[bool] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DeadLetter(_message.Message):
    __slots__ = ("subject", "message_id", "payload", "reason", "deliveries", "time", "content_type")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    subject: str
    message_id: str
    payload: bytes
    reason: str
    deliveries: int
    time: _timestamp_pb2.Timestamp
    content_type: str
    def __init__(self, subject: _Optional[str] = ..., message_id: _Optional[str] = ..., payload: _Optional[bytes] = ..., reason: _Optional[str] = ..., deliveries: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., content_type: _Optional[str] = ...) -> None: ...

class ServiceStatus(_message.Message):
    __slots__ = ("service", "instance", "version", "activity", "base_models", "metrics", "details", "time")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class DetailsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    BASE_MODELS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    service: str
    instance: str
    version: str
    activity: str
    base_models: _containers.RepeatedScalarFieldContainer[str]
    metrics: _containers.ScalarMap[str, float]
    details: _containers.ScalarMap[str, str]
    time: _timestamp_pb2.Timestamp
    def __init__(self, service: _Optional[str] = ..., instance: _Optional[str] = ..., version: _Optional[str] = ..., activity: _Optional[str] = ..., base_models: _Optional[_Iterable[str]] = ..., metrics: _Optional[_Mapping[str, float]] = ..., details: _Optional[_Mapping[str, str]] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
