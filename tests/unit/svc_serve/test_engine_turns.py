"""Solo requests take turns with the shared ones."""

from svc_serve.cpu.scheduler import Limits, Ticket
from svc_serve.cpu.turns import Turns
from svc_serve.engine import Priority


def ticket(name: str, priority: Priority = Priority.ROLLOUT) -> Ticket:
    return Ticket(name, priority, 4, 2)


def shares(turns: Turns, steps: int = 100) -> float:
    """Part of the steps that are not the shared requests'."""
    return sum(turns.next() is not turns.shared for _ in range(steps)) / steps


def test_each_kind_has_all_steps_when_alone_and_half_of_them_together() -> None:
    turns = Turns(Limits())
    assert shares(turns) == 0
    solo = ticket("a")
    turns.add(solo, solo=True)
    assert shares(turns) == 1
    turns.add(ticket("b"), solo=False)
    assert shares(turns) == 0.5
    turns.remove(solo)
    assert shares(turns) == 0


def test_people_who_wait_come_first() -> None:
    turns = Turns(Limits(rollout_every=4))
    turns.add(ticket("a"), solo=True)
    turns.add(ticket("b", Priority.INTERACTIVE), solo=False)
    assert shares(turns) == 0.25


def test_solo_requests_are_served_one_after_the_other() -> None:
    turns = Turns(Limits())
    first, second = ticket("a"), ticket("b")
    turns.add(first, solo=True)
    turns.add(second, solo=True)
    assert first in turns.next()
    assert second not in turns.next()
    turns.remove(first)
    assert second in turns.next()
