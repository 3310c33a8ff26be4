"""`/v1/fine_tuning/alpha/graders`: https://platform.openai.com/docs/api-reference/graders."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from burnish.datasets import ChatMessage, DatasetRow
from burnish.errors import UserError
from burnish.reward_spec import RewardDefinition
from svc_gateway.rewards import Rewards, Verdict

PATH = "/v1/fine_tuning/alpha/graders"
ERRORS = (
    "formula_parse_error",
    "invalid_variable_error",
    "model_grader_parse_error",
    "model_grader_refusal_error",
    "model_grader_server_error",
    "other_error",
    "python_grader_runtime_error",
    "python_grader_server_error",
    "sample_parse_error",
    "truncated_observation_error",
    "unresponsive_reward_error",
)


def routes(rewards: Rewards) -> list[Route]:
    async def validate(request: Request) -> Response:
        grader, _ = await _asked(request)
        return JSONResponse({"grader": grader})

    async def run(request: Request) -> Response:
        grader, body = await _asked(request)
        sample = body.get("model_sample")
        if not isinstance(sample, str):
            raise UserError("must be the model's answer as text", field="model_sample")
        definition = RewardDefinition(grader=grader)
        (verdict,) = await rewards.test(definition, [_row(body.get("item"))], [sample])
        return JSONResponse(_described(grader, verdict))

    return [
        Route(f"{PATH}/validate", validate, methods=["POST"]),
        Route(f"{PATH}/run", run, methods=["POST"]),
    ]


async def _asked(request: Request) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The checked grader, and the whole body."""
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise UserError(f"the body is not valid JSON: {error}", field="body") from None
    grader = body.get("grader") if isinstance(body, dict) else None
    if not isinstance(grader, dict):
        raise UserError("must be a grader", field="grader", hint='{"type": "string_check", ...}')
    RewardDefinition.parse({"grader": grader})
    return grader, body


def _row(item: object) -> DatasetRow:
    if item is not None and not isinstance(item, dict):
        raise UserError("must be an object", field="item")
    example = {
        str(key): value if isinstance(value, str) else json.dumps(value)
        for key, value in (item or {}).items()
    }
    return DatasetRow("0", (ChatMessage("user", example.get("prompt", "")),), example, None)


def _described(grader: Mapping[str, Any], verdict: Verdict) -> dict[str, Any]:
    """OpenAI's shape, in which a failure is a flag beside a reward of 0."""
    failed = not verdict.HasField("score")
    flag = _flag(str(grader["type"]), verdict.status) if failed else ""
    errors: dict[str, Any] = {name: name == flag for name in ERRORS}
    if failed:
        kind = "model_grader_server" if "model" in flag else "python_grader_runtime"
        errors[f"{kind}_error_details"] = verdict.message
    scores = dict(verdict.parts)
    return {
        "reward": verdict.score if not failed else 0.0,
        "sub_rewards": scores,
        "metadata": {
            "name": grader.get("name", ""),
            "type": grader["type"],
            "errors": errors,
            "execution_time": verdict.seconds,
            "scores": scores,
            "sampled_model_name": grader.get("model"),
            "token_usage": None,
        },
        "model_grader_token_usage_per_model": {},
    }


def _flag(kind: str, status: str) -> str:
    if kind == "python":
        return "python_grader_runtime_error"
    if kind == "score_model":
        return "model_grader_parse_error"
    return "sample_parse_error" if status == "invalid" else "other_error"
