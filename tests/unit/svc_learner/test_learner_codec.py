from burnish.datasets import ChatMessage, DatasetRow
from burnish.stage_spec import Sampling
from burnish.v1 import common_pb2, events_pb2, job_pb2
from svc_learner import codec
from svc_learner.types import Cancellation, Ticket

ROW = DatasetRow("0", (ChatMessage("user", "hi"),), {"prompt": "hi"})


def score(status: events_pb2.ScoreStatus, value: float | None) -> events_pb2.Score:
    return events_pb2.Score(name="s", revision="r", status=status, value=value, flags=["f"])


def test_a_score_comes_back_whole_and_an_error_stays_without_value() -> None:
    message = events_pb2.RewardScored(
        completion=events_pb2.RolloutCompleted(
            completion_id="g.0", group_id="g", finish_reason=common_pb2.FINISH_REASON_LENGTH
        ),
        scores=[
            score(events_pb2.SCORE_STATUS_OK, 0.0),
            score(events_pb2.SCORE_STATUS_TIMEOUT, None),
        ],
    )
    completion = codec.completion(message)
    assert completion.reward is None
    assert completion.truncated
    assert [(s.status, s.value) for s in completion.scores] == [("ok", 0.0), ("timeout", None)]
    assert list(codec.evaluated(ROW, completion).scores) == list(message.scores)


def test_a_cancellation_always_has_a_reason() -> None:
    message = events_pb2.GroupCancelled(group_id="g", reason=events_pb2.CANCEL_REASON_STALE)
    assert codec.arrival(message) == Cancellation("g", "CANCEL_REASON_STALE")
    assert codec.arrival(events_pb2.JobUpdated()) is None


def test_a_groups_seed_follows_from_the_jobs_seed_and_the_groups_number() -> None:
    def seed(job: str, number: int, start: int) -> int:
        ticket = Ticket(f"{job}.rl.{number}", 0, 2, 0)
        return codec.sampling_params(Sampling(), seed=start, ticket=ticket).seed

    assert seed("job-a", 1, 0) == seed("job-b", 1, 0)
    assert seed("job-a", 1, 0) != seed("job-a", 2, 0)
    assert seed("job-a", 1, 0) != seed("job-a", 1, 1)


def test_a_request_says_what_it_is_for() -> None:
    job = job_pb2.DesiredJob(id="job-a", project="p")
    for label, purpose in (("", common_pb2.PURPOSE_TRAIN), ("base", common_pb2.PURPOSE_EVALUATION)):
        ticket = Ticket("job-a.rl.0", 0, 2, 3, label)
        found = codec.rollout_requested(job, ticket, ROW, Sampling(), adapter=None, total_steps=9)
        assert found.purpose == purpose
        assert not found.HasField("adapter")
        assert (found.context.step, found.context.max_steps) == (3, 9)
