"""The SDK's edge: from the wire's messages to the values in `types`, field by field of one name."""

import json
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC
from typing import Any, TypeVar, cast, get_args, get_type_hints

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from burnish import datasets
from burnish.reward_spec import RewardDefinition
from burnish.sdk.types import (
    AlarmRaised,
    CurriculumAdvanced,
    EvaluationCompleted,
    JobEvent,
    JobUpdated,
    PolicyPublished,
    RewardsUpdated,
    StepCompleted,
    WatchedEvent,
)
from burnish.spec import JobSpec
from burnish.v1 import common_pb2, job_pb2, jobs_service_pb2

T = TypeVar("T")

_EVENTS: Mapping[str, type[JobEvent]] = {
    "job_updated": JobUpdated,
    "step_completed": StepCompleted,
    "policy_published": PolicyPublished,
    "evaluation_completed": EvaluationCompleted,
    "rewards_updated": RewardsUpdated,
    "curriculum_advanced": CurriculumAdvanced,
    "alarm_raised": AlarmRaised,
}


def decode(cls: type[T], message: Message) -> T:
    """Build `cls`, a dataclass, from the message's fields of the same names.

    Enums become their lower-case names without prefix, timestamps aware datetimes, and unset
    messages and optional fields None.
    """
    hints = get_type_hints(cls)
    described: Mapping[str, Any] = message.DESCRIPTOR.fields_by_name
    names = [field.name for field in fields(cast("Any", cls))]
    return cls(**{name: _value(message, described[name], hints[name]) for name in names})


def decode_event(message: jobs_service_pb2.WatchJobResponse) -> WatchedEvent | None:
    """The event, or None for one that this version does not know."""
    kind = message.WhichOneof("event")
    if kind is None:
        return None
    return WatchedEvent(message.sequence, decode(_EVENTS[kind], getattr(message, kind)))


def prompt_rows(rows: Sequence[Mapping[str, object]]) -> list[common_pb2.PromptRow]:
    """Rows with a `prompt` or `messages`, read as an uploaded file would be.

    Raises:
        UserError: One has neither.
    """
    if not rows:
        return []
    lines = "\n".join(json.dumps(row) for row in rows)
    return [
        common_pb2.PromptRow(
            id=row.id,
            messages=[
                common_pb2.Message(role=turn.role, content=turn.content) for turn in row.messages
            ],
            example=row.example,
        )
        for row in datasets.parse(lines.encode(), "rows.jsonl").rows
    ]


def _value(message: Message, field: FieldDescriptor, hint: Any) -> Any:  # noqa: ANN401 (by field)
    value = getattr(message, field.name)
    if field.is_repeated:
        return _repeated(value, field, hint)
    if field.message_type is not None:
        return _message(value, hint) if message.HasField(field.name) else None
    if field.enum_type is not None:
        return _enum_name(field.enum_type, value)
    if field.has_presence and not message.HasField(field.name):
        return None
    return value


def _repeated(value: Any, field: FieldDescriptor, hint: Any) -> Any:  # noqa: ANN401 (by field)
    if field.message_type is None:
        return tuple(value)
    if field.message_type.GetOptions().map_entry:
        return dict(value)
    return tuple(_message(item, get_args(hint)[0]) for item in value)


def _message(value: Message, hint: Any) -> Any:  # noqa: ANN401 (by field)
    if isinstance(value, job_pb2.JobSpec):
        return JobSpec.from_proto(value)
    if isinstance(value, common_pb2.RewardDefinition):
        return RewardDefinition.from_proto(value)
    if value.DESCRIPTOR.full_name == "google.protobuf.Timestamp":
        return cast("Any", value).ToDatetime(tzinfo=UTC)
    options = get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    cls: Any = next(option for option in options if is_dataclass(option))
    return decode(cls, value)


def _enum_name(enum: EnumDescriptor, number: int) -> str:
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    known = enum.values_by_number.get(number)
    return "" if known is None or number == 0 else known.name.removeprefix(prefix).lower()
