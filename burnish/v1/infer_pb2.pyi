from burnish.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Priority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIORITY_UNSPECIFIED: _ClassVar[Priority]
    PRIORITY_INTERACTIVE: _ClassVar[Priority]
    PRIORITY_ROLLOUT: _ClassVar[Priority]
PRIORITY_UNSPECIFIED: Priority
PRIORITY_INTERACTIVE: Priority
PRIORITY_ROLLOUT: Priority

class GenerateRequest(_message.Message):
    __slots__ = ("request_id", "base_model", "adapter", "prompt_token_ids", "n", "sampling", "priority", "deterministic")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKEN_IDS_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    DETERMINISTIC_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    base_model: str
    adapter: _common_pb2.AdapterRef
    prompt_token_ids: _containers.RepeatedScalarFieldContainer[int]
    n: int
    sampling: _common_pb2.SamplingParams
    priority: Priority
    deterministic: bool
    def __init__(self, request_id: _Optional[str] = ..., base_model: _Optional[str] = ..., adapter: _Optional[_Union[_common_pb2.AdapterRef, _Mapping]] = ..., prompt_token_ids: _Optional[_Iterable[int]] = ..., n: _Optional[int] = ..., sampling: _Optional[_Union[_common_pb2.SamplingParams, _Mapping]] = ..., priority: _Optional[_Union[Priority, str]] = ..., deterministic: _Optional[bool] = ...) -> None: ...

class InferError(_message.Message):
    __slots__ = ("message", "retryable", "status", "param")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PARAM_FIELD_NUMBER: _ClassVar[int]
    message: str
    retryable: bool
    status: int
    param: str
    def __init__(self, message: _Optional[str] = ..., retryable: _Optional[bool] = ..., status: _Optional[int] = ..., param: _Optional[str] = ...) -> None: ...

class GenerateChunk(_message.Message):
    __slots__ = ("index", "token_ids", "logprobs", "finish_reason", "error", "done", "adapter")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    TOKEN_IDS_FIELD_NUMBER: _ClassVar[int]
    LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_FIELD_NUMBER: _ClassVar[int]
    index: int
    token_ids: _containers.RepeatedScalarFieldContainer[int]
    logprobs: _containers.RepeatedScalarFieldContainer[float]
    finish_reason: _common_pb2.FinishReason
    error: InferError
    done: bool
    adapter: str
    def __init__(self, index: _Optional[int] = ..., token_ids: _Optional[_Iterable[int]] = ..., logprobs: _Optional[_Iterable[float]] = ..., finish_reason: _Optional[_Union[_common_pb2.FinishReason, str]] = ..., error: _Optional[_Union[InferError, _Mapping]] = ..., done: _Optional[bool] = ..., adapter: _Optional[str] = ...) -> None: ...

class OpenAIRequest(_message.Message):
    __slots__ = ("request_id", "base_model", "adapter", "path", "body")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    base_model: str
    adapter: _common_pb2.AdapterRef
    path: str
    body: bytes
    def __init__(self, request_id: _Optional[str] = ..., base_model: _Optional[str] = ..., adapter: _Optional[_Union[_common_pb2.AdapterRef, _Mapping]] = ..., path: _Optional[str] = ..., body: _Optional[bytes] = ...) -> None: ...

class OpenAIChunk(_message.Message):
    __slots__ = ("data", "status", "content_type", "done", "error")
    DATA_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    status: int
    content_type: str
    done: bool
    error: InferError
    def __init__(self, data: _Optional[bytes] = ..., status: _Optional[int] = ..., content_type: _Optional[str] = ..., done: _Optional[bool] = ..., error: _Optional[_Union[InferError, _Mapping]] = ...) -> None: ...

class CancelGeneration(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class TryRewardRequest(_message.Message):
    __slots__ = ("name", "rows", "completions", "definition", "project")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COMPLETIONS_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    name: str
    rows: _containers.RepeatedCompositeFieldContainer[_common_pb2.PromptRow]
    completions: _containers.RepeatedScalarFieldContainer[str]
    definition: _common_pb2.RewardDefinition
    project: str
    def __init__(self, name: _Optional[str] = ..., rows: _Optional[_Iterable[_Union[_common_pb2.PromptRow, _Mapping]]] = ..., completions: _Optional[_Iterable[str]] = ..., definition: _Optional[_Union[_common_pb2.RewardDefinition, _Mapping]] = ..., project: _Optional[str] = ...) -> None: ...

class TryRewardResponse(_message.Message):
    __slots__ = ("verdicts", "error", "field", "hint", "retryable")
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    verdicts: _containers.RepeatedCompositeFieldContainer[RewardVerdict]
    error: str
    field: str
    hint: str
    retryable: bool
    def __init__(self, verdicts: _Optional[_Iterable[_Union[RewardVerdict, _Mapping]]] = ..., error: _Optional[str] = ..., field: _Optional[str] = ..., hint: _Optional[str] = ..., retryable: _Optional[bool] = ...) -> None: ...

class RewardVerdict(_message.Message):
    __slots__ = ("status", "score", "message", "stdout", "seconds", "cpu_ms", "isolation", "parts", "flags", "image", "seed")
    class PartsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STDOUT_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    CPU_MS_FIELD_NUMBER: _ClassVar[int]
    ISOLATION_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    status: str
    score: float
    message: str
    stdout: str
    seconds: float
    cpu_ms: float
    isolation: str
    parts: _containers.ScalarMap[str, float]
    flags: _containers.RepeatedScalarFieldContainer[str]
    image: str
    seed: int
    def __init__(self, status: _Optional[str] = ..., score: _Optional[float] = ..., message: _Optional[str] = ..., stdout: _Optional[str] = ..., seconds: _Optional[float] = ..., cpu_ms: _Optional[float] = ..., isolation: _Optional[str] = ..., parts: _Optional[_Mapping[str, float]] = ..., flags: _Optional[_Iterable[str]] = ..., image: _Optional[str] = ..., seed: _Optional[int] = ...) -> None: ...
