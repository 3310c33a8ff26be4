from svc_learner.state.said import unsaid


def test_what_stands_behind_the_newest_event_is_not_said_yet() -> None:
    assert unsaid([1, 2, 3], str, {"2", "x"}) == [3]
    assert unsaid([1, 2, 3], str, {"3"}) == []
    assert unsaid([1, 2, 3], str, {""}) == [1, 2, 3]
    assert unsaid([], str, {"1"}) == []
