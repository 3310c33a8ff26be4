import datetime

from burnish.v1 import common_pb2 as _common_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Loss(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOSS_UNSPECIFIED: _ClassVar[Loss]
    LOSS_GRPO: _ClassVar[Loss]
    LOSS_DR_GRPO: _ClassVar[Loss]
    LOSS_CISPO: _ClassVar[Loss]

class Advantage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ADVANTAGE_UNSPECIFIED: _ClassVar[Advantage]
    ADVANTAGE_CENTERED: _ClassVar[Advantage]
    ADVANTAGE_STANDARDIZED: _ClassVar[Advantage]

class OnRewardError(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ON_REWARD_ERROR_UNSPECIFIED: _ClassVar[OnRewardError]
    ON_REWARD_ERROR_ZERO: _ClassVar[OnRewardError]
    ON_REWARD_ERROR_DROP: _ClassVar[OnRewardError]
    ON_REWARD_ERROR_FAIL: _ClassVar[OnRewardError]

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_UNSPECIFIED: _ClassVar[JobState]
    JOB_STATE_QUEUED: _ClassVar[JobState]
    JOB_STATE_RUNNING: _ClassVar[JobState]
    JOB_STATE_SUCCEEDED: _ClassVar[JobState]
    JOB_STATE_FAILED: _ClassVar[JobState]
    JOB_STATE_CANCELLED: _ClassVar[JobState]
LOSS_UNSPECIFIED: Loss
LOSS_GRPO: Loss
LOSS_DR_GRPO: Loss
LOSS_CISPO: Loss
ADVANTAGE_UNSPECIFIED: Advantage
ADVANTAGE_CENTERED: Advantage
ADVANTAGE_STANDARDIZED: Advantage
ON_REWARD_ERROR_UNSPECIFIED: OnRewardError
ON_REWARD_ERROR_ZERO: OnRewardError
ON_REWARD_ERROR_DROP: OnRewardError
ON_REWARD_ERROR_FAIL: OnRewardError
JOB_STATE_UNSPECIFIED: JobState
JOB_STATE_QUEUED: JobState
JOB_STATE_RUNNING: JobState
JOB_STATE_SUCCEEDED: JobState
JOB_STATE_FAILED: JobState
JOB_STATE_CANCELLED: JobState

class LoraConfig(_message.Message):
    __slots__ = ("rank", "alpha")
    RANK_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    rank: int
    alpha: float
    def __init__(self, rank: _Optional[int] = ..., alpha: _Optional[float] = ...) -> None: ...

class SftStage(_message.Message):
    __slots__ = ("epochs", "batch_size", "learning_rate")
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    epochs: int
    batch_size: int
    learning_rate: float
    def __init__(self, epochs: _Optional[int] = ..., batch_size: _Optional[int] = ..., learning_rate: _Optional[float] = ...) -> None: ...

class RlStage(_message.Message):
    __slots__ = ("steps", "prompts_per_step", "group_size", "learning_rate", "loss", "advantage", "sampling", "max_staleness", "sft_replay", "require_success", "clip_low", "clip_high", "kl_weight")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    PROMPTS_PER_STEP_FIELD_NUMBER: _ClassVar[int]
    GROUP_SIZE_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    ADVANTAGE_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    MAX_STALENESS_FIELD_NUMBER: _ClassVar[int]
    SFT_REPLAY_FIELD_NUMBER: _ClassVar[int]
    REQUIRE_SUCCESS_FIELD_NUMBER: _ClassVar[int]
    CLIP_LOW_FIELD_NUMBER: _ClassVar[int]
    CLIP_HIGH_FIELD_NUMBER: _ClassVar[int]
    KL_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    steps: int
    prompts_per_step: int
    group_size: int
    learning_rate: float
    loss: Loss
    advantage: Advantage
    sampling: _common_pb2.SamplingParams
    max_staleness: int
    sft_replay: float
    require_success: str
    clip_low: float
    clip_high: float
    kl_weight: float
    def __init__(self, steps: _Optional[int] = ..., prompts_per_step: _Optional[int] = ..., group_size: _Optional[int] = ..., learning_rate: _Optional[float] = ..., loss: _Optional[_Union[Loss, str]] = ..., advantage: _Optional[_Union[Advantage, str]] = ..., sampling: _Optional[_Union[_common_pb2.SamplingParams, _Mapping]] = ..., max_staleness: _Optional[int] = ..., sft_replay: _Optional[float] = ..., require_success: _Optional[str] = ..., clip_low: _Optional[float] = ..., clip_high: _Optional[float] = ..., kl_weight: _Optional[float] = ...) -> None: ...

class Stage(_message.Message):
    __slots__ = ("sft", "rl")
    SFT_FIELD_NUMBER: _ClassVar[int]
    RL_FIELD_NUMBER: _ClassVar[int]
    sft: SftStage
    rl: RlStage
    def __init__(self, sft: _Optional[_Union[SftStage, _Mapping]] = ..., rl: _Optional[_Union[RlStage, _Mapping]] = ...) -> None: ...

class EvaluationConfig(_message.Message):
    __slots__ = ("every_steps", "samples", "sampling")
    EVERY_STEPS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    every_steps: int
    samples: int
    sampling: _common_pb2.SamplingParams
    def __init__(self, every_steps: _Optional[int] = ..., samples: _Optional[int] = ..., sampling: _Optional[_Union[_common_pb2.SamplingParams, _Mapping]] = ...) -> None: ...

class JobSpec(_message.Message):
    __slots__ = ("name", "base_model", "training_file", "evaluation_file", "rewards", "stages", "lora", "evaluation", "on_reward_error", "seed")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FILE_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_FILE_FIELD_NUMBER: _ClassVar[int]
    REWARDS_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    LORA_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_FIELD_NUMBER: _ClassVar[int]
    ON_REWARD_ERROR_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    name: str
    base_model: str
    training_file: str
    evaluation_file: str
    rewards: _containers.RepeatedCompositeFieldContainer[_common_pb2.RewardRef]
    stages: _containers.RepeatedCompositeFieldContainer[Stage]
    lora: LoraConfig
    evaluation: EvaluationConfig
    on_reward_error: OnRewardError
    seed: int
    def __init__(self, name: _Optional[str] = ..., base_model: _Optional[str] = ..., training_file: _Optional[str] = ..., evaluation_file: _Optional[str] = ..., rewards: _Optional[_Iterable[_Union[_common_pb2.RewardRef, _Mapping]]] = ..., stages: _Optional[_Iterable[_Union[Stage, _Mapping]]] = ..., lora: _Optional[_Union[LoraConfig, _Mapping]] = ..., evaluation: _Optional[_Union[EvaluationConfig, _Mapping]] = ..., on_reward_error: _Optional[_Union[OnRewardError, str]] = ..., seed: _Optional[int] = ...) -> None: ...

class RewardSet(_message.Message):
    __slots__ = ("number", "rewards", "from_step", "repeats", "reason", "created_at")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    REWARDS_FIELD_NUMBER: _ClassVar[int]
    FROM_STEP_FIELD_NUMBER: _ClassVar[int]
    REPEATS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    number: int
    rewards: _containers.RepeatedCompositeFieldContainer[_common_pb2.RewardRef]
    from_step: int
    repeats: int
    reason: str
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, number: _Optional[int] = ..., rewards: _Optional[_Iterable[_Union[_common_pb2.RewardRef, _Mapping]]] = ..., from_step: _Optional[int] = ..., repeats: _Optional[int] = ..., reason: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("id", "project", "spec", "state", "stage", "step", "total_steps", "message", "created_at", "finished_at", "adapter", "metrics", "reward_sets", "reward_set")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    TOTAL_STEPS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    REWARD_SETS_FIELD_NUMBER: _ClassVar[int]
    REWARD_SET_FIELD_NUMBER: _ClassVar[int]
    id: str
    project: str
    spec: JobSpec
    state: JobState
    stage: str
    step: int
    total_steps: int
    message: str
    created_at: _timestamp_pb2.Timestamp
    finished_at: _timestamp_pb2.Timestamp
    adapter: _common_pb2.AdapterRef
    metrics: _containers.ScalarMap[str, float]
    reward_sets: _containers.RepeatedCompositeFieldContainer[RewardSet]
    reward_set: int
    def __init__(self, id: _Optional[str] = ..., project: _Optional[str] = ..., spec: _Optional[_Union[JobSpec, _Mapping]] = ..., state: _Optional[_Union[JobState, str]] = ..., stage: _Optional[str] = ..., step: _Optional[int] = ..., total_steps: _Optional[int] = ..., message: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., adapter: _Optional[_Union[_common_pb2.AdapterRef, _Mapping]] = ..., metrics: _Optional[_Mapping[str, float]] = ..., reward_sets: _Optional[_Iterable[_Union[RewardSet, _Mapping]]] = ..., reward_set: _Optional[int] = ...) -> None: ...

class DesiredJob(_message.Message):
    __slots__ = ("id", "project", "spec", "cancelled", "created_at", "reward_sets")
    ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    REWARD_SETS_FIELD_NUMBER: _ClassVar[int]
    id: str
    project: str
    spec: JobSpec
    cancelled: bool
    created_at: _timestamp_pb2.Timestamp
    reward_sets: _containers.RepeatedCompositeFieldContainer[RewardSet]
    def __init__(self, id: _Optional[str] = ..., project: _Optional[str] = ..., spec: _Optional[_Union[JobSpec, _Mapping]] = ..., cancelled: _Optional[bool] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reward_sets: _Optional[_Iterable[_Union[RewardSet, _Mapping]]] = ...) -> None: ...

class JobRun(_message.Message):
    __slots__ = ("id", "state", "policy_version", "checkpoint", "adapter", "message", "reward_set")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REWARD_SET_FIELD_NUMBER: _ClassVar[int]
    id: str
    state: JobState
    policy_version: int
    checkpoint: _common_pb2.ObjectRef
    adapter: _common_pb2.AdapterRef
    message: str
    reward_set: int
    def __init__(self, id: _Optional[str] = ..., state: _Optional[_Union[JobState, str]] = ..., policy_version: _Optional[int] = ..., checkpoint: _Optional[_Union[_common_pb2.ObjectRef, _Mapping]] = ..., adapter: _Optional[_Union[_common_pb2.AdapterRef, _Mapping]] = ..., message: _Optional[str] = ..., reward_set: _Optional[int] = ...) -> None: ...
