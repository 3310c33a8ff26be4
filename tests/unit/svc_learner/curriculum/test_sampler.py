from svc_learner.curriculum.epochs import EpochSampler


def rows(sampler: EpochSampler, count: int) -> list[int]:
    return [sampler.draw()[1] for _ in range(count)]


def test_each_epoch_draws_every_row_once_in_another_order() -> None:
    sampler = EpochSampler(seed=1, rows=20)
    first, second = rows(sampler, 20), rows(sampler, 20)
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second


def test_the_number_of_draws_is_the_whole_state() -> None:
    undisturbed = rows(EpochSampler(seed=3, rows=7), 30)
    resumed = EpochSampler(seed=3, rows=7, drawn=11)
    assert rows(resumed, 19) == undisturbed[11:]


def test_seeds_differ() -> None:
    assert rows(EpochSampler(seed=1, rows=50), 50) != rows(EpochSampler(seed=2, rows=50), 50)
