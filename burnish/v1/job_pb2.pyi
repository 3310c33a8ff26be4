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
    LOSS_DAPO: _ClassVar[Loss]
    LOSS_GSPO: _ClassVar[Loss]

class Anchor(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ANCHOR_UNSPECIFIED: _ClassVar[Anchor]
    ANCHOR_SAMPLER: _ClassVar[Anchor]
    ANCHOR_TRAINER: _ClassVar[Anchor]

class Importance(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IMPORTANCE_UNSPECIFIED: _ClassVar[Importance]
    IMPORTANCE_NONE: _ClassVar[Importance]
    IMPORTANCE_TRUNCATED: _ClassVar[Importance]
    IMPORTANCE_MASKED: _ClassVar[Importance]

class Overlong(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OVERLONG_UNSPECIFIED: _ClassVar[Overlong]
    OVERLONG_KEEP: _ClassVar[Overlong]
    OVERLONG_MASK: _ClassVar[Overlong]
    OVERLONG_PENALIZE: _ClassVar[Overlong]

class Schedule(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCHEDULE_UNSPECIFIED: _ClassVar[Schedule]
    SCHEDULE_CONSTANT: _ClassVar[Schedule]
    SCHEDULE_LINEAR: _ClassVar[Schedule]
    SCHEDULE_COSINE: _ClassVar[Schedule]

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

class AlarmAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ALARM_ACTION_UNSPECIFIED: _ClassVar[AlarmAction]
    ALARM_ACTION_WARN: _ClassVar[AlarmAction]
    ALARM_ACTION_PAUSE: _ClassVar[AlarmAction]

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_UNSPECIFIED: _ClassVar[JobState]
    JOB_STATE_QUEUED: _ClassVar[JobState]
    JOB_STATE_RUNNING: _ClassVar[JobState]
    JOB_STATE_SUCCEEDED: _ClassVar[JobState]
    JOB_STATE_FAILED: _ClassVar[JobState]
    JOB_STATE_CANCELLED: _ClassVar[JobState]
    JOB_STATE_PAUSED: _ClassVar[JobState]
LOSS_UNSPECIFIED: Loss
LOSS_GRPO: Loss
LOSS_DR_GRPO: Loss
LOSS_CISPO: Loss
LOSS_DAPO: Loss
LOSS_GSPO: Loss
ANCHOR_UNSPECIFIED: Anchor
ANCHOR_SAMPLER: Anchor
ANCHOR_TRAINER: Anchor
IMPORTANCE_UNSPECIFIED: Importance
IMPORTANCE_NONE: Importance
IMPORTANCE_TRUNCATED: Importance
IMPORTANCE_MASKED: Importance
OVERLONG_UNSPECIFIED: Overlong
OVERLONG_KEEP: Overlong
OVERLONG_MASK: Overlong
OVERLONG_PENALIZE: Overlong
SCHEDULE_UNSPECIFIED: Schedule
SCHEDULE_CONSTANT: Schedule
SCHEDULE_LINEAR: Schedule
SCHEDULE_COSINE: Schedule
ADVANTAGE_UNSPECIFIED: Advantage
ADVANTAGE_CENTERED: Advantage
ADVANTAGE_STANDARDIZED: Advantage
ON_REWARD_ERROR_UNSPECIFIED: OnRewardError
ON_REWARD_ERROR_ZERO: OnRewardError
ON_REWARD_ERROR_DROP: OnRewardError
ON_REWARD_ERROR_FAIL: OnRewardError
ALARM_ACTION_UNSPECIFIED: AlarmAction
ALARM_ACTION_WARN: AlarmAction
ALARM_ACTION_PAUSE: AlarmAction
JOB_STATE_UNSPECIFIED: JobState
JOB_STATE_QUEUED: JobState
JOB_STATE_RUNNING: JobState
JOB_STATE_SUCCEEDED: JobState
JOB_STATE_FAILED: JobState
JOB_STATE_CANCELLED: JobState
JOB_STATE_PAUSED: JobState

class LoraConfig(_message.Message):
    __slots__ = ("rank", "alpha")
    RANK_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    rank: int
    alpha: float
    def __init__(self, rank: _Optional[int] = ..., alpha: _Optional[float] = ...) -> None: ...

class SftStage(_message.Message):
    __slots__ = ("epochs", "batch_size", "learning_rate", "warmup_steps", "schedule", "max_grad_norm")
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    WARMUP_STEPS_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    MAX_GRAD_NORM_FIELD_NUMBER: _ClassVar[int]
    epochs: int
    batch_size: int
    learning_rate: float
    warmup_steps: int
    schedule: Schedule
    max_grad_norm: float
    def __init__(self, epochs: _Optional[int] = ..., batch_size: _Optional[int] = ..., learning_rate: _Optional[float] = ..., warmup_steps: _Optional[int] = ..., schedule: _Optional[_Union[Schedule, str]] = ..., max_grad_norm: _Optional[float] = ...) -> None: ...

class Curriculum(_message.Message):
    __slots__ = ("level_column", "levels", "promote_at", "window", "measure", "rehearsal", "max_steps_per_level", "adaptive")
    LEVEL_COLUMN_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    PROMOTE_AT_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    REHEARSAL_FIELD_NUMBER: _ClassVar[int]
    MAX_STEPS_PER_LEVEL_FIELD_NUMBER: _ClassVar[int]
    ADAPTIVE_FIELD_NUMBER: _ClassVar[int]
    level_column: str
    levels: _containers.RepeatedScalarFieldContainer[str]
    promote_at: float
    window: int
    measure: str
    rehearsal: float
    max_steps_per_level: int
    adaptive: Adaptive
    def __init__(self, level_column: _Optional[str] = ..., levels: _Optional[_Iterable[str]] = ..., promote_at: _Optional[float] = ..., window: _Optional[int] = ..., measure: _Optional[str] = ..., rehearsal: _Optional[float] = ..., max_steps_per_level: _Optional[int] = ..., adaptive: _Optional[_Union[Adaptive, _Mapping]] = ...) -> None: ...

class Adaptive(_message.Message):
    __slots__ = ("easy_from", "hard_to", "easy_weight", "hard_weight")
    EASY_FROM_FIELD_NUMBER: _ClassVar[int]
    HARD_TO_FIELD_NUMBER: _ClassVar[int]
    EASY_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    HARD_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    easy_from: float
    hard_to: float
    easy_weight: float
    hard_weight: float
    def __init__(self, easy_from: _Optional[float] = ..., hard_to: _Optional[float] = ..., easy_weight: _Optional[float] = ..., hard_weight: _Optional[float] = ...) -> None: ...

class RlStage(_message.Message):
    __slots__ = ("steps", "prompts_per_step", "group_size", "learning_rate", "loss", "advantage", "sampling", "max_staleness", "sft_replay", "require_success", "clip_low", "clip_high", "kl_weight", "anchor", "importance", "importance_low", "importance_high", "overlong", "overlong_buffer", "max_resample", "curriculum", "warmup_steps", "schedule", "max_grad_norm")
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
    ANCHOR_FIELD_NUMBER: _ClassVar[int]
    IMPORTANCE_FIELD_NUMBER: _ClassVar[int]
    IMPORTANCE_LOW_FIELD_NUMBER: _ClassVar[int]
    IMPORTANCE_HIGH_FIELD_NUMBER: _ClassVar[int]
    OVERLONG_FIELD_NUMBER: _ClassVar[int]
    OVERLONG_BUFFER_FIELD_NUMBER: _ClassVar[int]
    MAX_RESAMPLE_FIELD_NUMBER: _ClassVar[int]
    CURRICULUM_FIELD_NUMBER: _ClassVar[int]
    WARMUP_STEPS_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    MAX_GRAD_NORM_FIELD_NUMBER: _ClassVar[int]
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
    anchor: Anchor
    importance: Importance
    importance_low: float
    importance_high: float
    overlong: Overlong
    overlong_buffer: int
    max_resample: float
    curriculum: Curriculum
    warmup_steps: int
    schedule: Schedule
    max_grad_norm: float
    def __init__(self, steps: _Optional[int] = ..., prompts_per_step: _Optional[int] = ..., group_size: _Optional[int] = ..., learning_rate: _Optional[float] = ..., loss: _Optional[_Union[Loss, str]] = ..., advantage: _Optional[_Union[Advantage, str]] = ..., sampling: _Optional[_Union[_common_pb2.SamplingParams, _Mapping]] = ..., max_staleness: _Optional[int] = ..., sft_replay: _Optional[float] = ..., require_success: _Optional[str] = ..., clip_low: _Optional[float] = ..., clip_high: _Optional[float] = ..., kl_weight: _Optional[float] = ..., anchor: _Optional[_Union[Anchor, str]] = ..., importance: _Optional[_Union[Importance, str]] = ..., importance_low: _Optional[float] = ..., importance_high: _Optional[float] = ..., overlong: _Optional[_Union[Overlong, str]] = ..., overlong_buffer: _Optional[int] = ..., max_resample: _Optional[float] = ..., curriculum: _Optional[_Union[Curriculum, _Mapping]] = ..., warmup_steps: _Optional[int] = ..., schedule: _Optional[_Union[Schedule, str]] = ..., max_grad_norm: _Optional[float] = ...) -> None: ...

class Stage(_message.Message):
    __slots__ = ("sft", "rl")
    SFT_FIELD_NUMBER: _ClassVar[int]
    RL_FIELD_NUMBER: _ClassVar[int]
    sft: SftStage
    rl: RlStage
    def __init__(self, sft: _Optional[_Union[SftStage, _Mapping]] = ..., rl: _Optional[_Union[RlStage, _Mapping]] = ...) -> None: ...

class EvaluationConfig(_message.Message):
    __slots__ = ("every_steps", "samples", "sampling", "pass_at", "best_by")
    EVERY_STEPS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    PASS_AT_FIELD_NUMBER: _ClassVar[int]
    BEST_BY_FIELD_NUMBER: _ClassVar[int]
    every_steps: int
    samples: int
    sampling: _common_pb2.SamplingParams
    pass_at: _containers.RepeatedScalarFieldContainer[int]
    best_by: str
    def __init__(self, every_steps: _Optional[int] = ..., samples: _Optional[int] = ..., sampling: _Optional[_Union[_common_pb2.SamplingParams, _Mapping]] = ..., pass_at: _Optional[_Iterable[int]] = ..., best_by: _Optional[str] = ...) -> None: ...

class Success(_message.Message):
    __slots__ = ("score", "at_least")
    SCORE_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    score: str
    at_least: float
    def __init__(self, score: _Optional[str] = ..., at_least: _Optional[float] = ...) -> None: ...

class EarlyStopping(_message.Message):
    __slots__ = ("patience", "min_delta", "target")
    PATIENCE_FIELD_NUMBER: _ClassVar[int]
    MIN_DELTA_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    patience: int
    min_delta: float
    target: float
    def __init__(self, patience: _Optional[int] = ..., min_delta: _Optional[float] = ..., target: _Optional[float] = ...) -> None: ...

class Budget(_message.Message):
    __slots__ = ("tokens", "seconds", "steps")
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    tokens: int
    seconds: float
    steps: int
    def __init__(self, tokens: _Optional[int] = ..., seconds: _Optional[float] = ..., steps: _Optional[int] = ...) -> None: ...

class Alarms(_message.Message):
    __slots__ = ("dominance", "collapse", "length_drift", "gap", "action", "window")
    DOMINANCE_FIELD_NUMBER: _ClassVar[int]
    COLLAPSE_FIELD_NUMBER: _ClassVar[int]
    LENGTH_DRIFT_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    dominance: float
    collapse: float
    length_drift: float
    gap: float
    action: AlarmAction
    window: int
    def __init__(self, dominance: _Optional[float] = ..., collapse: _Optional[float] = ..., length_drift: _Optional[float] = ..., gap: _Optional[float] = ..., action: _Optional[_Union[AlarmAction, str]] = ..., window: _Optional[int] = ...) -> None: ...

class CheckpointConfig(_message.Message):
    __slots__ = ("every_steps", "keep")
    EVERY_STEPS_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    every_steps: int
    keep: int
    def __init__(self, every_steps: _Optional[int] = ..., keep: _Optional[int] = ...) -> None: ...

class Start(_message.Message):
    __slots__ = ("adapter", "file", "checkpoint")
    ADAPTER_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    adapter: str
    file: str
    checkpoint: CheckpointRef
    def __init__(self, adapter: _Optional[str] = ..., file: _Optional[str] = ..., checkpoint: _Optional[_Union[CheckpointRef, _Mapping]] = ...) -> None: ...

class CheckpointRef(_message.Message):
    __slots__ = ("job_id", "step")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    step: int
    def __init__(self, job_id: _Optional[str] = ..., step: _Optional[int] = ...) -> None: ...

class JobSpec(_message.Message):
    __slots__ = ("name", "base_model", "training_file", "evaluation_file", "rewards", "stages", "lora", "evaluation", "on_reward_error", "seed", "deterministic", "success", "early_stopping", "budget", "alarms", "checkpoints", "start")
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
    DETERMINISTIC_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    EARLY_STOPPING_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    ALARMS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINTS_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
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
    deterministic: bool
    success: Success
    early_stopping: EarlyStopping
    budget: Budget
    alarms: Alarms
    checkpoints: CheckpointConfig
    start: Start
    def __init__(self, name: _Optional[str] = ..., base_model: _Optional[str] = ..., training_file: _Optional[str] = ..., evaluation_file: _Optional[str] = ..., rewards: _Optional[_Iterable[_Union[_common_pb2.RewardRef, _Mapping]]] = ..., stages: _Optional[_Iterable[_Union[Stage, _Mapping]]] = ..., lora: _Optional[_Union[LoraConfig, _Mapping]] = ..., evaluation: _Optional[_Union[EvaluationConfig, _Mapping]] = ..., on_reward_error: _Optional[_Union[OnRewardError, str]] = ..., seed: _Optional[int] = ..., deterministic: _Optional[bool] = ..., success: _Optional[_Union[Success, _Mapping]] = ..., early_stopping: _Optional[_Union[EarlyStopping, _Mapping]] = ..., budget: _Optional[_Union[Budget, _Mapping]] = ..., alarms: _Optional[_Union[Alarms, _Mapping]] = ..., checkpoints: _Optional[_Union[CheckpointConfig, _Mapping]] = ..., start: _Optional[_Union[Start, _Mapping]] = ...) -> None: ...

class Checkpoint(_message.Message):
    __slots__ = ("step", "stage", "blob", "adapter", "reasons", "measure", "time", "stage_index", "stage_step")
    STEP_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    STAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
    STAGE_STEP_FIELD_NUMBER: _ClassVar[int]
    step: int
    stage: str
    blob: _common_pb2.ObjectRef
    adapter: _common_pb2.AdapterRef
    reasons: _containers.RepeatedScalarFieldContainer[str]
    measure: float
    time: _timestamp_pb2.Timestamp
    stage_index: int
    stage_step: int
    def __init__(self, step: _Optional[int] = ..., stage: _Optional[str] = ..., blob: _Optional[_Union[_common_pb2.ObjectRef, _Mapping]] = ..., adapter: _Optional[_Union[_common_pb2.AdapterRef, _Mapping]] = ..., reasons: _Optional[_Iterable[str]] = ..., measure: _Optional[float] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., stage_index: _Optional[int] = ..., stage_step: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("id", "project", "spec", "state", "stage", "step", "total_steps", "message", "created_at", "finished_at", "adapter", "metrics", "reward_sets", "reward_set", "bottleneck", "best_adapter", "usage", "resumes")
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
    BOTTLENECK_FIELD_NUMBER: _ClassVar[int]
    BEST_ADAPTER_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    RESUMES_FIELD_NUMBER: _ClassVar[int]
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
    bottleneck: str
    best_adapter: _common_pb2.AdapterRef
    usage: Usage
    resumes: int
    def __init__(self, id: _Optional[str] = ..., project: _Optional[str] = ..., spec: _Optional[_Union[JobSpec, _Mapping]] = ..., state: _Optional[_Union[JobState, str]] = ..., stage: _Optional[str] = ..., step: _Optional[int] = ..., total_steps: _Optional[int] = ..., message: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., adapter: _Optional[_Union[_common_pb2.AdapterRef, _Mapping]] = ..., metrics: _Optional[_Mapping[str, float]] = ..., reward_sets: _Optional[_Iterable[_Union[RewardSet, _Mapping]]] = ..., reward_set: _Optional[int] = ..., bottleneck: _Optional[str] = ..., best_adapter: _Optional[_Union[_common_pb2.AdapterRef, _Mapping]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., resumes: _Optional[int] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("tokens", "seconds", "steps")
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    tokens: int
    seconds: float
    steps: int
    def __init__(self, tokens: _Optional[int] = ..., seconds: _Optional[float] = ..., steps: _Optional[int] = ...) -> None: ...

class DesiredJob(_message.Message):
    __slots__ = ("id", "project", "spec", "cancelled", "created_at", "reward_sets", "paused", "resumes", "budget", "origin")
    ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    REWARD_SETS_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    RESUMES_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    id: str
    project: str
    spec: JobSpec
    cancelled: bool
    created_at: _timestamp_pb2.Timestamp
    reward_sets: _containers.RepeatedCompositeFieldContainer[RewardSet]
    paused: bool
    resumes: int
    budget: Budget
    origin: _common_pb2.ObjectRef
    def __init__(self, id: _Optional[str] = ..., project: _Optional[str] = ..., spec: _Optional[_Union[JobSpec, _Mapping]] = ..., cancelled: _Optional[bool] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reward_sets: _Optional[_Iterable[_Union[RewardSet, _Mapping]]] = ..., paused: _Optional[bool] = ..., resumes: _Optional[int] = ..., budget: _Optional[_Union[Budget, _Mapping]] = ..., origin: _Optional[_Union[_common_pb2.ObjectRef, _Mapping]] = ...) -> None: ...

class JobRun(_message.Message):
    __slots__ = ("id", "state", "policy_version", "checkpoint", "adapter", "message", "reward_set", "checkpoints", "best_adapter", "resumes", "usage")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REWARD_SET_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINTS_FIELD_NUMBER: _ClassVar[int]
    BEST_ADAPTER_FIELD_NUMBER: _ClassVar[int]
    RESUMES_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    id: str
    state: JobState
    policy_version: int
    checkpoint: _common_pb2.ObjectRef
    adapter: _common_pb2.AdapterRef
    message: str
    reward_set: int
    checkpoints: _containers.RepeatedCompositeFieldContainer[Checkpoint]
    best_adapter: _common_pb2.AdapterRef
    resumes: int
    usage: Usage
    def __init__(self, id: _Optional[str] = ..., state: _Optional[_Union[JobState, str]] = ..., policy_version: _Optional[int] = ..., checkpoint: _Optional[_Union[_common_pb2.ObjectRef, _Mapping]] = ..., adapter: _Optional[_Union[_common_pb2.AdapterRef, _Mapping]] = ..., message: _Optional[str] = ..., reward_set: _Optional[int] = ..., checkpoints: _Optional[_Iterable[_Union[Checkpoint, _Mapping]]] = ..., best_adapter: _Optional[_Union[_common_pb2.AdapterRef, _Mapping]] = ..., resumes: _Optional[int] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...
