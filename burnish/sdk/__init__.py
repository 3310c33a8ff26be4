"""The Python SDK: a client over gRPC and the values that it returns."""

from burnish.reward_spec import RewardDefinition
from burnish.sdk.client import Client
from burnish.sdk.types import (
    Adapter,
    Completion,
    EvaluatedCompletion,
    EvaluationCompleted,
    File,
    Job,
    JobEvent,
    JobUpdated,
    Model,
    PolicyPublished,
    Reward,
    RewardVerdict,
    RewardWarning,
    Score,
    ServiceStatus,
    StepCompleted,
    WatchedEvent,
)

__all__ = [
    "Adapter",
    "Client",
    "Completion",
    "EvaluatedCompletion",
    "EvaluationCompleted",
    "File",
    "Job",
    "JobEvent",
    "JobUpdated",
    "Model",
    "PolicyPublished",
    "Reward",
    "RewardDefinition",
    "RewardVerdict",
    "RewardWarning",
    "Score",
    "ServiceStatus",
    "StepCompleted",
    "WatchedEvent",
]
