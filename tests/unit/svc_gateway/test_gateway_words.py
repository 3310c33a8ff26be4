"""What clients are told: sentences, close names, pages, server-sent events."""

from collections.abc import AsyncIterator

import nats.errors
import pytest

from burnish.errors import (
    BurnishError,
    ConflictError,
    NotFoundError,
    RetryableError,
    UnavailableError,
    UserError,
)
from burnish.v1 import events_pb2
from svc_gateway import sse
from svc_gateway.failures import failure_of
from svc_gateway.models import close_names, served
from svc_gateway.pages import MAX_SIZE, page_of, size_of


@pytest.mark.parametrize(
    ("error", "http", "code", "message"),
    [
        (
            UserError("must be at least 2", field="seed"),
            400,
            "invalid_argument",
            "seed: must be at least 2.",
        ),
        (
            UserError(
                "there is no base model 'x' here", field="base_model", hint="Did you mean `y`?"
            ),
            400,
            "invalid_argument",
            "There is no base model 'x' here (Did you mean `y`?).",
        ),
        (
            UserError("nothing to learn from.", field="stages[0].sft"),
            400,
            "invalid_argument",
            "stages[0].sft: nothing to learn from.",
        ),
        (
            UserError("rows.csv is empty", field="file"),
            400,
            "invalid_argument",
            "rows.csv is empty.",
        ),
        (
            NotFoundError("there is no job 'x'", field="id"),
            404,
            "not_found",
            "There is no job 'x'.",
        ),
        (ConflictError("changed by somebody else"), 409, "aborted", "Changed by somebody else."),
        (UnavailableError("nobody answers"), 503, "unavailable", "Nobody answers."),
        (RetryableError("the disk is full"), 503, "unavailable", "The disk is full."),
        (BurnishError("broken"), 500, "internal", "broken."),
    ],
)
def test_each_family_of_errors_has_its_status_and_one_sentence(
    error: BurnishError, http: int, code: str, message: str
) -> None:
    failure = failure_of(error)
    assert (failure.kind.http, failure.code, failure.message) == (http, code, message)


def test_a_lost_nats_is_named() -> None:
    failure = failure_of(nats.errors.TimeoutError())
    assert failure.kind.http == 503
    assert "NATS" in failure.message


def test_an_unexpected_error_says_nothing_of_itself() -> None:
    failure = failure_of(KeyError("secret"))
    assert failure.kind.http == 500
    assert "secret" not in failure.message


def test_a_field_becomes_a_violation() -> None:
    details = failure_of(UserError("is missing", field="name", hint="add it")).details()
    violation = details[1].field_violations[0]  # type: ignore[attr-defined]
    assert (violation.field, violation.description) == ("name", "is missing (add it)")


def test_close_names_come_first() -> None:
    known = ["smollm2-135m-instruct", "job-1:v1", "job-1:v2", "job-1@latest", "a", "b", "c"]
    assert close_names("smolm2-135m", known) == "close names: smollm2-135m-instruct"
    assert close_names("zzz", known).startswith("models here: smollm2-135m-instruct")
    assert "and 2 more" in close_names("zzz", known)
    assert "svc_serve" in close_names("zzz", [])


def test_served_models_are_named_once() -> None:
    statuses = [
        events_pb2.ServiceStatus(service="serve", instance=str(n), base_models=["b", "a"])
        for n in range(2)
    ]
    assert served(statuses) == ("a", "b")


def test_pages_cover_a_list_once() -> None:
    items = [str(number) for number in range(7)]
    seen: list[str] = []
    token = ""
    while True:
        page = page_of(items, str, size=3, token=token)
        seen.extend(page.items)
        token = page.next_token
        if not token:
            break
    assert seen == items
    assert size_of(10**6) == MAX_SIZE
    with pytest.raises(UserError, match="start again"):
        page_of(items, str, size=3, token="gone")


async def test_events_survive_any_cut() -> None:
    stream = sse.encode('{"a":1}', event="x", id="7") + sse.KEEP_ALIVE + sse.encode("[DONE]")
    assert stream.startswith(b'id: 7\nevent: x\ndata: {"a":1}\n\n')

    async def cut(size: int) -> AsyncIterator[bytes]:
        for start in range(0, len(stream), size):
            yield stream[start : start + size]

    for size in (1, 5, 1000):
        assert [data async for data in sse.parse(cut(size))] == ['{"a":1}']
