"""The SDK's edge: messages become plain values, and statuses become errors."""

from datetime import UTC, datetime

import pytest

from burnish.errors import UserError
from burnish.sdk import EvaluationCompleted, Job, JobUpdated, codec
from burnish.spec import JobSpec
from burnish.v1 import events_pb2, job_pb2, jobs_service_pb2

SPEC = JobSpec.parse({"training_file": "file-1", "stages": [{"sft": {}}]})


def test_a_job_is_decoded_with_its_spec() -> None:
    message = job_pb2.Job(
        id="job-1", spec=SPEC.to_proto(), state=job_pb2.JOB_STATE_RUNNING, metrics={"loss": 0.5}
    )
    message.created_at.FromSeconds(60)
    job = codec.decode(Job, message)
    assert job.spec == SPEC
    assert (job.state, job.finished) == ("running", False)
    assert job.created_at == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
    assert job.finished_at is None
    assert job.adapter is None
    assert job.metrics == {"loss": 0.5}


def test_nested_values_and_unset_scores_are_decoded() -> None:
    score = events_pb2.Score(name="correct", status=events_pb2.SCORE_STATUS_TIMEOUT)
    message = events_pb2.EvaluationCompleted(
        label="base",
        completions=[events_pb2.EvaluatedCompletion(row_id="3", reward=0.0, scores=[score])],
    )
    evaluation = codec.decode(EvaluationCompleted, message)
    (completion,) = evaluation.completions
    assert completion.reward == 0.0
    assert completion.scores[0].status == "timeout"
    assert completion.scores[0].value is None


def test_an_event_keeps_its_sequence() -> None:
    update = events_pb2.JobUpdated(job_id="job-1", state=job_pb2.JOB_STATE_FAILED)
    watched = codec.decode_event(jobs_service_pb2.WatchJobResponse(sequence=7, job_updated=update))
    assert watched is not None
    assert watched.sequence == 7
    assert isinstance(watched.event, JobUpdated)
    assert watched.event.state == "failed"


def test_an_event_of_a_newer_version_is_skipped() -> None:
    assert codec.decode_event(jobs_service_pb2.WatchJobResponse(sequence=1)) is None


def test_sample_rows_are_read_as_files_are() -> None:
    (row,) = codec.prompt_rows([{"prompt": "hi", "answer": 3}])
    assert [(turn.role, turn.content) for turn in row.messages] == [("user", "hi")]
    assert row.example["answer"] == "3"
    with pytest.raises(UserError, match="prompt"):
        codec.prompt_rows([{"question": "hi"}])
