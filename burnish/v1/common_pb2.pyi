from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FinishReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINISH_REASON_UNSPECIFIED: _ClassVar[FinishReason]
    FINISH_REASON_STOP: _ClassVar[FinishReason]
    FINISH_REASON_LENGTH: _ClassVar[FinishReason]
    FINISH_REASON_CANCELLED: _ClassVar[FinishReason]

class Purpose(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PURPOSE_UNSPECIFIED: _ClassVar[Purpose]
    PURPOSE_TRAIN: _ClassVar[Purpose]
    PURPOSE_EVALUATION: _ClassVar[Purpose]
FINISH_REASON_UNSPECIFIED: FinishReason
FINISH_REASON_STOP: FinishReason
FINISH_REASON_LENGTH: FinishReason
FINISH_REASON_CANCELLED: FinishReason
PURPOSE_UNSPECIFIED: Purpose
PURPOSE_TRAIN: Purpose
PURPOSE_EVALUATION: Purpose

class ObjectRef(_message.Message):
    __slots__ = ("bucket", "name", "sha256", "size")
    BUCKET_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    bucket: str
    name: str
    sha256: str
    size: int
    def __init__(self, bucket: _Optional[str] = ..., name: _Optional[str] = ..., sha256: _Optional[str] = ..., size: _Optional[int] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ("role", "content")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    role: str
    content: str
    def __init__(self, role: _Optional[str] = ..., content: _Optional[str] = ...) -> None: ...

class PromptRow(_message.Message):
    __slots__ = ("id", "messages", "example")
    class ExampleEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    id: str
    messages: _containers.RepeatedCompositeFieldContainer[Message]
    example: _containers.ScalarMap[str, str]
    def __init__(self, id: _Optional[str] = ..., messages: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., example: _Optional[_Mapping[str, str]] = ...) -> None: ...

class AdapterRef(_message.Message):
    __slots__ = ("name", "base_model", "job_id", "policy_version", "blob", "rank")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    name: str
    base_model: str
    job_id: str
    policy_version: int
    blob: ObjectRef
    rank: int
    def __init__(self, name: _Optional[str] = ..., base_model: _Optional[str] = ..., job_id: _Optional[str] = ..., policy_version: _Optional[int] = ..., blob: _Optional[_Union[ObjectRef, _Mapping]] = ..., rank: _Optional[int] = ...) -> None: ...

class SamplingParams(_message.Message):
    __slots__ = ("temperature", "top_p", "max_tokens", "seed", "stop")
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    temperature: float
    top_p: float
    max_tokens: int
    seed: int
    stop: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, temperature: _Optional[float] = ..., top_p: _Optional[float] = ..., max_tokens: _Optional[int] = ..., seed: _Optional[int] = ..., stop: _Optional[_Iterable[str]] = ...) -> None: ...

class RewardRef(_message.Message):
    __slots__ = ("name", "revision", "weight", "group")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    name: str
    revision: str
    weight: float
    group: bool
    def __init__(self, name: _Optional[str] = ..., revision: _Optional[str] = ..., weight: _Optional[float] = ..., group: _Optional[bool] = ...) -> None: ...

class RewardLimits(_message.Message):
    __slots__ = ("seconds", "memory_mib", "scratch_mib", "processes", "output_kib")
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_MIB_FIELD_NUMBER: _ClassVar[int]
    SCRATCH_MIB_FIELD_NUMBER: _ClassVar[int]
    PROCESSES_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_KIB_FIELD_NUMBER: _ClassVar[int]
    seconds: float
    memory_mib: int
    scratch_mib: int
    processes: int
    output_kib: int
    def __init__(self, seconds: _Optional[float] = ..., memory_mib: _Optional[int] = ..., scratch_mib: _Optional[int] = ..., processes: _Optional[int] = ..., output_kib: _Optional[int] = ...) -> None: ...

class RewardDefinition(_message.Message):
    __slots__ = ("source", "grader", "preset", "options", "packages", "secrets", "limits")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    GRADER_FIELD_NUMBER: _ClassVar[int]
    PRESET_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    PACKAGES_FIELD_NUMBER: _ClassVar[int]
    SECRETS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    source: str
    grader: str
    preset: str
    options: str
    packages: _containers.RepeatedScalarFieldContainer[str]
    secrets: _containers.RepeatedScalarFieldContainer[str]
    limits: RewardLimits
    def __init__(self, source: _Optional[str] = ..., grader: _Optional[str] = ..., preset: _Optional[str] = ..., options: _Optional[str] = ..., packages: _Optional[_Iterable[str]] = ..., secrets: _Optional[_Iterable[str]] = ..., limits: _Optional[_Union[RewardLimits, _Mapping]] = ...) -> None: ...

class RewardContext(_message.Message):
    __slots__ = ("job_id", "step", "max_steps", "level")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    MAX_STEPS_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    step: int
    max_steps: int
    level: str
    def __init__(self, job_id: _Optional[str] = ..., step: _Optional[int] = ..., max_steps: _Optional[int] = ..., level: _Optional[str] = ...) -> None: ...
