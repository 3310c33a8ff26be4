import datetime

from burnish.v1 import common_pb2 as _common_pb2
from burnish.v1 import infer_pb2 as _infer_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Reward(_message.Message):
    __slots__ = ("name", "revision", "project", "created_at", "definition", "warnings")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    name: str
    revision: str
    project: str
    created_at: _timestamp_pb2.Timestamp
    definition: _common_pb2.RewardDefinition
    warnings: _containers.RepeatedCompositeFieldContainer[RewardWarning]
    def __init__(self, name: _Optional[str] = ..., revision: _Optional[str] = ..., project: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., definition: _Optional[_Union[_common_pb2.RewardDefinition, _Mapping]] = ..., warnings: _Optional[_Iterable[_Union[RewardWarning, _Mapping]]] = ...) -> None: ...

class RewardWarning(_message.Message):
    __slots__ = ("line", "rule", "message")
    LINE_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    line: int
    rule: str
    message: str
    def __init__(self, line: _Optional[int] = ..., rule: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class CreateRewardRequest(_message.Message):
    __slots__ = ("name", "definition")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    name: str
    definition: _common_pb2.RewardDefinition
    def __init__(self, name: _Optional[str] = ..., definition: _Optional[_Union[_common_pb2.RewardDefinition, _Mapping]] = ...) -> None: ...

class CreateRewardResponse(_message.Message):
    __slots__ = ("reward",)
    REWARD_FIELD_NUMBER: _ClassVar[int]
    reward: Reward
    def __init__(self, reward: _Optional[_Union[Reward, _Mapping]] = ...) -> None: ...

class ListRewardsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRewardsResponse(_message.Message):
    __slots__ = ("rewards", "next_page_token")
    REWARDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    rewards: _containers.RepeatedCompositeFieldContainer[Reward]
    next_page_token: str
    def __init__(self, rewards: _Optional[_Iterable[_Union[Reward, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetRewardRequest(_message.Message):
    __slots__ = ("name", "revision")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    name: str
    revision: str
    def __init__(self, name: _Optional[str] = ..., revision: _Optional[str] = ...) -> None: ...

class GetRewardResponse(_message.Message):
    __slots__ = ("reward",)
    REWARD_FIELD_NUMBER: _ClassVar[int]
    reward: Reward
    def __init__(self, reward: _Optional[_Union[Reward, _Mapping]] = ...) -> None: ...

class TestRewardRequest(_message.Message):
    __slots__ = ("definition", "name", "rows", "file_id", "completions")
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    COMPLETIONS_FIELD_NUMBER: _ClassVar[int]
    definition: _common_pb2.RewardDefinition
    name: str
    rows: _containers.RepeatedCompositeFieldContainer[_common_pb2.PromptRow]
    file_id: str
    completions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, definition: _Optional[_Union[_common_pb2.RewardDefinition, _Mapping]] = ..., name: _Optional[str] = ..., rows: _Optional[_Iterable[_Union[_common_pb2.PromptRow, _Mapping]]] = ..., file_id: _Optional[str] = ..., completions: _Optional[_Iterable[str]] = ...) -> None: ...

class TestRewardResponse(_message.Message):
    __slots__ = ("verdicts", "warnings")
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    verdicts: _containers.RepeatedCompositeFieldContainer[_infer_pb2.RewardVerdict]
    warnings: _containers.RepeatedCompositeFieldContainer[RewardWarning]
    def __init__(self, verdicts: _Optional[_Iterable[_Union[_infer_pb2.RewardVerdict, _Mapping]]] = ..., warnings: _Optional[_Iterable[_Union[RewardWarning, _Mapping]]] = ...) -> None: ...
