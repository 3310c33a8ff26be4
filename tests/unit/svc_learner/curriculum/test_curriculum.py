"""Draws, levels, pools and promotion: what a curriculum does, and that it can be resumed."""

import json
from collections import Counter
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learner_kit import completion

from burnish.levels import Levels
from burnish.run_spec import Success
from burnish.stage_spec import Adaptive, Curriculum
from svc_learner.curriculum import CurriculumSampler, CurriculumState
from svc_learner.curriculum.deck import Deck
from svc_learner.curriculum.epochs import EpochSampler
from svc_learner.curriculum.pools import pool_of
from svc_learner.types import Group, Ticket

THREE = Levels(("easy", "medium", "hard"), (0, 0, 0, 1, 1, 2))
BY_LEVEL = Curriculum(level_column="level", window=2, promote_at=0.5, rehearsal=0)


def sampler(
    config: Curriculum = BY_LEVEL, levels: Levels = THREE, state: CurriculumState | None = None
) -> CurriculumSampler:
    return CurriculumSampler(
        levels,
        config,
        Success(),
        seed=1,
        drawn=0,
        state=CurriculumState.of(state, data="file-1", levels=len(levels.names)),
    )


def group(row: int, *rewards: float | None) -> Group:
    ticket = Ticket(f"job.rl.{row}", row, len(rewards), 0)
    members = [completion(index=i, reward=r) for i, r in enumerate(rewards)]
    return Group(ticket, tuple(members))


def see(one: CurriculumSampler, *groups: Group, step: int = 1) -> str:
    """Observe and settle; the level that opened."""
    for each in groups:
        one.observe(each)
    found = one.settle(step, stepped=True)
    return found.level if found else ""


def drawn_levels(one: CurriculumSampler, count: int) -> list[str]:
    return [one.draw().level for _ in range(count)]


def test_only_the_first_level_is_drawn_until_the_next_one_opens() -> None:
    one = sampler()
    assert set(drawn_levels(one, 20)) == {"easy"}
    assert see(one, group(0, 1.0, 0.0), group(1, 1.0, 0.0)) == "medium"
    assert set(drawn_levels(one, 20)) == {"medium"}


def test_a_level_opens_when_its_newest_groups_reach_the_bar() -> None:
    one = sampler()
    assert see(one, group(0, 0.0, 0.0), group(1, 1.0, 1.0)) == "medium"
    one = sampler()
    assert not see(one, group(0, 0.0, 0.0), group(1, 1.0, 0.0))
    assert see(one, group(2, 1.0, 0.0)) == "medium", "the oldest left the window"


def test_groups_of_lower_levels_do_not_promote() -> None:
    one = sampler(state=CurriculumState("file-1", level=1))
    assert not see(one, group(0, 1.0), group(1, 1.0))
    assert see(one, group(3, 1.0), group(4, 1.0)) == "hard"


def test_the_hardest_level_is_the_last() -> None:
    one = sampler(state=CurriculumState("file-1", level=2))
    assert not see(one, group(5, 1.0), group(5, 1.0))
    assert one.pass_solved_level(3) is None


def test_a_level_opens_after_so_many_steps_at_the_latest() -> None:
    one = sampler(BY_LEVEL.model_copy(update={"max_steps_per_level": 2}))
    assert not see(one, group(0, 0.0))
    one.observe(group(0, 0.0))
    assert one.settle(3, stepped=True) is not None
    assert one.state.steps == 0


def test_between_steps_a_level_opens_as_soon_as_it_is_due() -> None:
    one = sampler()
    one.observe(group(0, 1.0, 1.0))
    assert not one.due
    one.observe(group(1, 1.0, 1.0))
    assert one.due
    advance = one.settle(4, stepped=False)
    assert advance is not None
    assert (advance.step, advance.level, advance.number, advance.levels) == (4, "medium", 2, 3)
    assert (
        advance.message == "the mean reward of the newest 2 groups of `easy` is 1.00, at least 0.5"
    )


def test_a_solved_level_gives_way_although_its_measure_is_low() -> None:
    one = sampler()
    one.observe(group(0, 0.1))
    advance = one.pass_solved_level(2)
    assert advance is not None
    assert advance.level == "medium"


def test_completions_without_a_reward_say_nothing() -> None:
    one = sampler()
    assert not see(one, group(0, None, None), group(1, None, 1.0))
    assert one.state.window == [1.0]
    assert one.state.pass_rates == {1: 1.0}


def test_a_part_can_be_the_measure() -> None:
    from svc_learner.types import Completion, Score

    one = sampler(BY_LEVEL.model_copy(update={"measure": "triton/correct", "window": 1}))
    score = Score("triton", "r", "ok", 0.2, parts={"correct": 0.0, "ran": 1.0})
    base = completion(reward=1.0)
    judged = Completion(
        **{f: getattr(base, f) for f in Completion.__slots__} | {"scores": (score,)}
    )
    assert not see(one, Group(Ticket("job.rl.0", 0, 1, 0), (judged,)))
    assert one.state.window == [0.0]


def test_rehearsal_draws_its_share_from_all_lower_levels() -> None:
    one = sampler(
        BY_LEVEL.model_copy(update={"rehearsal": 0.25}), state=CurriculumState("file-1", level=2)
    )
    assert Counter(drawn_levels(one, 80)) == {"hard": 60, "easy": 10, "medium": 10}


def test_pools_are_cut_at_the_given_pass_rates() -> None:
    config = Adaptive(easy_from=0.75, hard_to=0.25)
    assert [pool_of(rate, config) for rate in (None, 0.0, 0.25, 0.5, 0.75, 1.0)] == [
        "unseen",
        "hard",
        "hard",
        "normal",
        "easy",
        "easy",
    ]


def test_rows_that_are_always_or_never_solved_are_drawn_less() -> None:
    levels = Levels(("",), (0,) * 4)
    one = sampler(Curriculum(adaptive={"easy_weight": 0.25, "hard_weight": 0}), levels)
    see(one, group(0, 1.0, 1.0), group(1, 0.0, 0.0), group(2, 1.0, 0.0))
    found = Counter(one.draw().row for _ in range(900))
    assert found[1] == 0
    assert found[2] == pytest.approx(found[3], abs=1)
    assert found[0] / found[2] == pytest.approx(0.25, rel=0.25)
    assert one.metrics() == {
        "curriculum/pass_rate": 0.5,
        "curriculum/rows/unseen": 1.0,
        "curriculum/rows/hard": 1.0,
        "curriculum/rows/normal": 1.0,
        "curriculum/rows/easy": 1.0,
    }


def test_when_no_row_has_weight_all_count_alike() -> None:
    one = sampler(Curriculum(adaptive={"hard_weight": 0}), Levels(("",), (0, 0)))
    see(one, group(0, 0.0), group(1, 0.0))
    assert Counter(one.draw().row for _ in range(10)) == {0: 5, 1: 5}


def test_adaptive_draws_are_the_epochs_until_something_was_seen() -> None:
    levels = Levels(("",), (0,) * 7)
    plain, adaptive = EpochSampler(seed=1, rows=7), sampler(Curriculum(adaptive={}), levels)
    assert [adaptive.draw().row for _ in range(30)] == [plain.draw().row for _ in range(30)]


def test_metrics_say_where_it_stands() -> None:
    one = sampler(BY_LEVEL.model_copy(update={"window": 3}))
    see(one, group(0, 1.0, 1.0), group(1, 0.0, 1.0))
    assert one.metrics() == {
        "curriculum/level": 1.0,
        "curriculum/measure": 0.75,
        "curriculum/pass_rate/easy": 0.75,
    }


def test_of_other_rows_only_the_level_is_worth_something() -> None:
    known = CurriculumState("file-1", level=2, positions=[3, 4, 5], pass_rates={1: 0.5})
    other = CurriculumState.of(known, data="file-2", levels=2)
    assert other == CurriculumState("file-2", level=1, positions=[0, 0])


@given(
    weights=st.lists(st.sampled_from([0.0, 0.3, 1.0, 5.0]), min_size=1, max_size=8),
    seed=st.integers(0, 99),
)
def test_a_deck_deals_every_row_of_the_greatest_weight_once_an_epoch(
    weights: list[float], seed: int
) -> None:
    deck = Deck(range(len(weights)), seed=str(seed))
    deck.weigh(lambda row: weights[row])
    position, found = 0, Counter[int]()
    while position < 6 * len(weights):
        row, position = deck.deal(position)
        found[row] += 1
    top = [row for row, weight in enumerate(weights) if weight == max(weights)]
    assert all(found[row] in {5, 6, 7} for row in top)
    if max(weights):
        assert all(found[row] == 0 for row, weight in enumerate(weights) if not weight)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_whoever_restarts_at_a_settlement_draws_the_same(data: st.DataObject) -> None:
    """Crash anywhere: what was drawn or observed behind the last settlement happens again alike."""
    config = Curriculum(
        level_column="level",
        window=2,
        promote_at=0.5,
        rehearsal=data.draw(st.sampled_from([0.0, 0.2, 0.5])),
        adaptive=data.draw(st.sampled_from([None, Adaptive()])),
    )
    undisturbed, crashing = sampler(config), sampler(config)
    for step in range(1, data.draw(st.integers(1, 12))):
        saved = json.dumps(asdict(crashing.state)), crashing.drawn
        if data.draw(st.booleans()):
            for _ in range(data.draw(st.integers(0, 5))):
                crashing.observe(group(crashing.draw().row, data.draw(st.sampled_from([0.0, 1.0]))))
            state = CurriculumState.from_json(json.loads(saved[0]))
            crashing = CurriculumSampler(
                THREE, config, Success(), seed=1, drawn=saved[1], state=state
            )
        rewards = data.draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=4))
        for reward in rewards:
            expected = undisturbed.draw()
            assert crashing.draw() == expected
            for one in (undisturbed, crashing):
                one.observe(group(expected.row, reward))
        assert crashing.settle(step, stepped=True) == undisturbed.settle(step, stepped=True)
        assert crashing.state == undisturbed.state
