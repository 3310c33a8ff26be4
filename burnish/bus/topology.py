"""The table of everything that lives on the bus: routes, streams, work queues, buckets.

No I/O here: `provision.py` makes it so, `bus.py` uses it, `docs/events.md` is generated from it.
A subject is `burnish.v1.<area>.<verb>.<project>.<job>`, so that permissions and subscribers can
filter by project and job.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, cast

from google.protobuf.message import Message

from burnish.v1 import (
    common_pb2,
    events_pb2,
    files_service_pb2,
    job_pb2,
    rewards_service_pb2,
)

PREFIX = "burnish.v1"
DAY = 86_400.0
MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Route:
    """One kind of message and the subject that it travels on."""

    verb: str
    """`<area>.<verb>`."""
    message: type[Message]
    publisher: str
    readers: str
    summary: str

    @property
    def wildcard(self) -> str:
        return f"{PREFIX}.{self.verb}.>"

    def subject(self, project: str, job_id: str) -> str:
        return f"{PREFIX}.{self.verb}.{project}.{job_id}"


@dataclass(frozen=True, slots=True)
class Stream:
    """Where messages are kept."""

    name: str
    routes: tuple[Route, ...]
    retention: Literal["workqueue", "limits"]
    max_age: float
    """Seconds; 0 keeps them until they are acknowledged (work queue) or for ever (limits)."""
    max_bytes: int = 1024**3
    """The server sets this much disk aside."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable consumer whose messages are shared by the replicas of one service."""

    durable: str
    stream: Stream
    route: Route
    max_deliver: int = 20
    """Deliveries after which a message becomes a dead letter, and its group ends."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Key-value entries of one message type."""

    name: str
    message: type[Message]
    writer: str
    ttl: float = 0
    """Seconds; 0 keeps entries for ever."""


job_requested = Route(
    "job.requested",
    events_pb2.JobRequested,
    "gateway",
    "learner",
    "A job is to be run by some learner.",
)
rollout_requested = Route(
    "rollout.requested",
    events_pb2.RolloutRequested,
    "learner",
    "rollout",
    "A group is to be sampled.",
)
rollout_completed = Route(
    "rollout.completed",
    events_pb2.RolloutCompleted,
    "rollout",
    "reward",
    "A completion is finished.",
)
group_completed = Route(
    "group.completed",
    events_pb2.GroupCompleted,
    "rollout",
    "reward",
    "All completions of a group are finished, for rewards that compare them.",
)
reward_scored = Route(
    "reward.scored",
    events_pb2.RewardScored,
    "reward",
    "learner, gateway",
    "A completion has all its scores.",
)
group_cancelled = Route(
    "group.cancelled",
    events_pb2.GroupCancelled,
    "rollout, learner",
    "learner, gateway",
    "A group's missing completions will not come.",
)
job_updated = Route(
    "job.updated",
    events_pb2.JobUpdated,
    "learner",
    "gateway, subscribers",
    "A job changed its state, stage or message.",
)
step_completed = Route(
    "step.completed",
    events_pb2.StepCompleted,
    "learner",
    "gateway, subscribers",
    "An optimizer step is durable.",
)
policy_published = Route(
    "policy.published",
    events_pb2.PolicyPublished,
    "learner",
    "serve, gateway, subscribers",
    "A new adapter can be used.",
)
evaluation_completed = Route(
    "evaluation.completed",
    events_pb2.EvaluationCompleted,
    "learner",
    "gateway, subscribers",
    "The held-out rows were sampled and scored with one policy version.",
)
rewards_updated = Route(
    "rewards.updated",
    events_pb2.RewardsUpdated,
    "learner",
    "gateway, subscribers",
    "New groups of a job are scored by another set of rewards.",
)
curriculum_advanced = Route(
    "curriculum.advanced",
    events_pb2.CurriculumAdvanced,
    "learner",
    "gateway, subscribers",
    "A curriculum opened a level.",
)
alarm_raised = Route(
    "alarm.raised",
    events_pb2.AlarmRaised,
    "learner",
    "gateway, subscribers",
    "A reward seems to be gamed, or training goes wrong.",
)
dead_letter = Route(
    "dead.letter", events_pb2.DeadLetter, "any", "people", "No consumer could handle a message."
)

JOBS_STREAM = Stream("BURNISH_JOBS", (job_requested,), "workqueue", 0, 64 * MIB)
ROLLOUTS_STREAM = Stream("BURNISH_ROLLOUTS", (rollout_requested,), "workqueue", 0, 256 * MIB)
COMPLETIONS_STREAM = Stream(
    "BURNISH_COMPLETIONS", (rollout_completed, group_completed), "limits", 7 * DAY
)
SCORES_STREAM = Stream("BURNISH_SCORES", (reward_scored, group_cancelled), "limits", 7 * DAY)
EVENTS_STREAM = Stream(
    "BURNISH_EVENTS",
    (
        job_updated,
        step_completed,
        policy_published,
        evaluation_completed,
        rewards_updated,
        curriculum_advanced,
        alarm_raised,
    ),
    "limits",
    30 * DAY,
)
DEAD_LETTERS_STREAM = Stream("BURNISH_DEAD_LETTERS", (dead_letter,), "limits", 30 * DAY, 64 * MIB)
STREAMS = (
    JOBS_STREAM,
    ROLLOUTS_STREAM,
    COMPLETIONS_STREAM,
    SCORES_STREAM,
    EVENTS_STREAM,
    DEAD_LETTERS_STREAM,
)

# A job survives any number of learner crashes: `max_deliver` is for messages that nobody can read.
JOB_REQUESTED = Queue("learner", JOBS_STREAM, job_requested, max_deliver=1000)
ROLLOUT_REQUESTED = Queue("rollout", ROLLOUTS_STREAM, rollout_requested)
ROLLOUT_COMPLETED = Queue("reward", COMPLETIONS_STREAM, rollout_completed)
GROUP_COMPLETED = Queue("reward-groups", COMPLETIONS_STREAM, group_completed)
QUEUES = (JOB_REQUESTED, ROLLOUT_REQUESTED, ROLLOUT_COMPLETED, GROUP_COMPLETED)

FILES = Bucket("burnish_files", files_service_pb2.File, "gateway")
REWARDS = Bucket("burnish_rewards", rewards_service_pb2.Reward, "gateway")
JOBS = Bucket("burnish_jobs", job_pb2.DesiredJob, "gateway")
RUNS = Bucket("burnish_runs", job_pb2.JobRun, "learner")
ADAPTERS = Bucket("burnish_adapters", common_pb2.AdapterRef, "learner")
SERVICES = Bucket("burnish_services", events_pb2.ServiceStatus, "each service", ttl=15)
BUCKETS = (FILES, REWARDS, JOBS, RUNS, ADAPTERS, SERVICES)

OBJECTS_FILES = "burnish_files"
OBJECTS_ADAPTERS = "burnish_adapters"
OBJECTS_CHECKPOINTS = "burnish_checkpoints"
OBJECTS_PAYLOADS = "burnish_payloads"
OBJECT_BUCKETS = {
    OBJECTS_FILES: 0.0,
    OBJECTS_ADAPTERS: 0.0,
    OBJECTS_CHECKPOINTS: 0.0,
    # As long as the longest-lived message that may point to one.
    OBJECTS_PAYLOADS: 30 * DAY,
}

INFER_CANCEL = f"{PREFIX}.infer.cancel"
REWARD_TRY = f"{PREFIX}.reward.try"

ROUTES = tuple(route for stream in STREAMS for route in stream.routes)
_BY_TYPE = {route.message.DESCRIPTOR.full_name: route for route in ROUTES}
_STREAM_OF = {route.verb: stream for stream in STREAMS for route in stream.routes}


class JobMessage(Protocol):
    """What every message of a job carries."""

    project: str
    job_id: str


def route_of(message: Message) -> Route:
    """The route of a message's type.

    Raises:
        TypeError: the type travels on no stream.
    """
    try:
        return _BY_TYPE[message.DESCRIPTOR.full_name]
    except KeyError:
        raise TypeError(f"{message.DESCRIPTOR.full_name} travels on no stream") from None


def stream_of(message: Message) -> Stream:
    return _STREAM_OF[route_of(message).verb]


def subject_for(message: Message) -> str:
    """The subject that `message` is published on."""
    route = route_of(message)
    if isinstance(message, events_pb2.RewardScored):
        return route.subject(message.completion.project, message.completion.job_id)
    if isinstance(message, events_pb2.DeadLetter):
        return route.subject("all", "all")
    owner = cast("JobMessage", message)
    return route.subject(owner.project, owner.job_id)


def infer_generate(base_model: str) -> str:
    return f"{PREFIX}.infer.generate.{_token(base_model)}"


def infer_openai(base_model: str) -> str:
    return f"{PREFIX}.infer.openai.{_token(base_model)}"


def adapter_key(name: str) -> str:
    """The key of adapter `<job>:v<k>` in its bucket (keys have no colon)."""
    return name.replace(":", ".")


def _token(name: str) -> str:
    """`name` as one subject token."""
    return name.replace(".", "_").replace(" ", "_")
