from hypothesis import given
from hypothesis import strategies as st

from svc_learner.engine.batching import pack
from svc_learner.engine.split import spread
from svc_learner.types import Sample

prompt = st.integers(1, 3).map(lambda n: (n,) * (4 * n))
samples = st.lists(
    st.builds(Sample, prompt, st.integers(1, 30).map(lambda n: (7,) * n)), min_size=1, max_size=24
)


def shape(rows: list[Sample], budget: int, ranks: int) -> list[int]:
    return [len(batch.tokens) for batch in spread(rows, budget, ranks)]


@given(samples, st.integers(64, 400), st.integers(1, 8))
def test_nothing_is_lost_and_no_piece_is_larger_than_the_budget(
    rows: list[Sample], budget: int, ranks: int
) -> None:
    batches = spread(rows, budget, ranks)
    found = sorted((s.prompt, s.tokens) for batch in batches for s in batch.samples)
    assert found == sorted((s.prompt, s.tokens) for s in rows)
    assert max(len(batch.tokens) for batch in batches) <= budget


def test_a_group_is_spread_over_ranks_that_would_be_idle() -> None:
    group = [Sample((1,) * 40, (7,) * 60) for _ in range(8)]
    assert shape(group, 1000, 1) == [40 + 8 * 59]
    assert shape(group, 1000, 2) == [40 + 4 * 59] * 2
    assert len(shape(group, 1000, 4)) == 4


def test_what_already_fills_all_ranks_stays_as_it_is() -> None:
    groups = [Sample((n,) * 10, (7,) * 50) for n in range(4)]
    assert spread(groups, 60, 2)[0].samples == pack(groups, 60)[0].samples
    assert len(spread(groups, 60, 2)) == 4
