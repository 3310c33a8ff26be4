"""`burnish jobs update-rewards` and `burnish jobs rescore`."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from burnish.cli import output
from burnish.cli.connect import connect
from burnish.errors import UserError
from burnish.reward_spec import Reward, RewardDefinition
from burnish.sdk import RescoredCompletion, RewardSet
from burnish.sdk.resources import read_source
from burnish.spec import JobSpec

JobId = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job.")]
Named = Annotated[list[str] | None, typer.Option("--reward", help="NAME=FILE: add or replace one.")]
Shadow = Annotated[
    list[str] | None, typer.Option("--shadow", help="NAME=FILE: add one that only watches.")
]
Weights = Annotated[list[str] | None, typer.Option("--weight", help="NAME=NUMBER: reweigh one.")]

MOVERS = 5


def update(
    job_id: JobId,
    *,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Job whose rewards to take.")
    ] = None,
    reward: Named = None,
    shadow: Shadow = None,
    weight: Weights = None,
    at_step: Annotated[int, typer.Option(min=0, help="First step; 0 is the next one.")] = 0,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Go back to the set before the newest.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why, for people.")] = "",
    json: output.Json = False,
) -> None:
    """Score a running job by other rewards from a step boundary on."""
    given = [bool(file), bool(reward or shadow or weight), rollback]
    if given.count(True) != 1:
        raise UserError("give one of --file, --rollback, or --reward, --shadow and --weight")
    with connect() as client:
        if rollback:
            added = client.job_rewards.roll_back(job_id, at_step=at_step, reason=reason)
        else:
            newest = client.jobs.get(job_id).reward_sets[-1]
            if file is not None:
                wanted: Sequence[Reward] = JobSpec.from_file(file).rewards
            else:
                wanted = changed(newest, reward or (), shadow or (), weight or ())
            uploaded = [client.upload_reward(each, (file or Path()).parent) for each in wanted]
            added = client.job_rewards.update(
                job_id, uploaded, at_step=at_step, reason=reason, newest_set=newest.number
            )
    if json:
        output.print_json(added)
        return
    when = f"step {added.from_step}" if added.from_step else "the next step boundary"
    names = ", ".join(f"{ref.name} {ref.weight:g}" for ref in added.rewards)
    output.say(f"Set {added.number} of {job_id}'s rewards ({names}) applies from {when} on.")


def rescore(
    job_id: JobId,
    *,
    reward: Annotated[str, typer.Option(help="Python file, or the name of a created reward.")],
    last: Annotated[int, typer.Option(min=1, max=1024, help="The newest so many.")] = 64,
    first_step: Annotated[int, typer.Option(min=0, help="Sampled for this step or later.")] = 0,
    last_step: Annotated[int, typer.Option(min=0, help="Sampled for this step or before.")] = 0,
    json: output.Json = False,
) -> None:
    """Judge stored completions by another reward, beside their old rewards."""
    path = Path(reward)
    definition = (
        RewardDefinition.parse({"source": read_source(path)})
        if path.suffix == ".py" or path.is_file()
        else None
    )
    with connect() as client:
        found = client.job_rewards.rescore(
            job_id,
            definition=definition,
            name="" if definition else reward,
            last=last,
            first_step=first_step,
            last_step=last_step,
        )
    if json:
        output.print_json(found)
        return
    pairs = [
        (each.completion.reward, each.verdict.score, each)
        for each in found
        if each.completion.reward is not None and each.verdict.score is not None
    ]
    output.print_fields(figures(found, [(old, new) for old, new, _ in pairs]))
    pairs.sort(key=lambda pair: -abs(pair[1] - pair[0]))
    rows = (
        (each.completion.completion_id, old, new, new - old, each.completion.completion)
        for old, new, each in pairs[:MOVERS]
    )
    output.print_table(
        ("completion", "old", "new", "change", "text"),
        rows,
        "Nothing has both an old and a new score.",
    )


def changed(
    newest: RewardSet, rewards: Sequence[str], shadows: Sequence[str], weights: Sequence[str]
) -> list[Reward]:
    """The newest set with some rewards replaced, added or reweighed.

    Raises:
        UserError: an option is not NAME=VALUE, or reweighs what is not there.
    """
    found = {
        ref.name: Reward(name=ref.name, revision=ref.revision, weight=ref.weight)
        for ref in newest.rewards
    }
    for name, file in _pairs(rewards, "--reward"):
        weight = found[name].weight if name in found else 1.0
        found[name] = Reward(name=name, file=file, weight=weight)
    for name, file in _pairs(shadows, "--shadow"):
        found[name] = Reward(name=name, file=file, weight=0)
    for name, text in _pairs(weights, "--weight"):
        if name not in found:
            raise UserError(f"there is no reward {name!r} in the set", field="--weight")
        try:
            weight = float(text)
        except ValueError:
            raise UserError(f"{text!r} is not a number", field="--weight") from None
        found[name] = found[name].model_copy(update={"weight": weight})
    return list(found.values())


def figures(
    found: Sequence[RescoredCompletion], pairs: Sequence[tuple[float, float]]
) -> dict[str, object]:
    """What the new reward says, in a few numbers; over completions that have both scores."""
    old, new = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return {
        "completions": len(found),
        "with both scores": len(pairs),
        "old mean": math.fsum(old) / len(old) if old else None,
        "new mean": math.fsum(new) / len(new) if new else None,
        "rank correlation": rank_correlation(old, new),
    }


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rho, ties sharing their mean rank; None where one side is constant."""
    a, b = _ranks(first), _ranks(second)
    centre = (len(a) + 1) / 2
    spread = math.fsum((x - centre) ** 2 for x in a) * math.fsum((y - centre) ** 2 for y in b)
    if not spread:
        return None
    shared = math.fsum((x - centre) * (y - centre) for x, y in zip(a, b, strict=True))
    return shared / math.sqrt(spread)


def _ranks(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    first = {value: ordered.index(value) + 1 for value in set(values)}
    return [first[value] + (ordered.count(value) - 1) / 2 for value in values]


def _pairs(texts: Sequence[str], option: str) -> list[tuple[str, str]]:
    found = [tuple(text.partition("=")[::2]) for text in texts]
    for text, (name, value) in zip(texts, found, strict=True):
        if not (name and value):
            raise UserError(f"{text!r} is not NAME=VALUE", field=option)
    return [(name, value) for name, value in found]
