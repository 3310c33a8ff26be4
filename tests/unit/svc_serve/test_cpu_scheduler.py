"""What runs when: pure decisions, so no model is needed."""

from hypothesis import given
from hypothesis import strategies as st

from svc_serve.cpu.scheduler import Limits, Scheduler, Ticket
from svc_serve.engine import Priority

INTERACTIVE, ROLLOUT = Priority.INTERACTIVE, Priority.ROLLOUT


def ticket(name: str, priority: Priority = ROLLOUT, prompt: int = 10, n: int = 4) -> Ticket:
    return Ticket(name, priority, prompt, n)


def names(plan: list[tuple[Ticket, int]]) -> list[tuple[str, int]]:
    return [(each.request_id, count) for each, count in plan]


def step(scheduler: Scheduler) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """One step's prefills and starts."""
    return names(list(scheduler.prefills(lambda _: 0))), names(list(scheduler.starts()))


def test_a_prompt_is_read_once_for_all_its_completions() -> None:
    scheduler = Scheduler(Limits())
    scheduler.add(ticket("a", n=8))
    assert step(scheduler) == ([("a", 10)], [("a", 8)])
    assert step(scheduler) == ([], [])
    assert scheduler.running_rows == 8


def test_a_long_prompt_is_read_in_pieces_of_the_budget() -> None:
    scheduler = Scheduler(Limits(prefill_tokens=16))
    scheduler.add(ticket("a", prompt=40))
    scheduler.add(ticket("b", prompt=10))
    assert step(scheduler) == ([("a", 16)], [])
    assert step(scheduler) == ([("a", 16)], [])
    assert step(scheduler) == ([("a", 8), ("b", 8)], [("a", 4)])
    assert step(scheduler) == ([("b", 2)], [("b", 4)])


def test_interactive_requests_overtake_waiting_rollouts() -> None:
    scheduler = Scheduler(Limits(prefill_tokens=10))
    scheduler.add(ticket("rollout"))
    scheduler.add(ticket("chat", INTERACTIVE, n=1))
    assert step(scheduler) == ([("chat", 10)], [("chat", 1)])
    assert step(scheduler) == ([("rollout", 10)], [("rollout", 4)])


def test_rows_are_kept_free_for_interactive_requests() -> None:
    scheduler = Scheduler(Limits(rows=4, interactive_rows=2))
    scheduler.add(ticket("rollout", n=6))
    scheduler.add(ticket("later", n=6))
    assert step(scheduler) == ([("rollout", 10)], [("rollout", 4)])
    scheduler.add(ticket("chat", INTERACTIVE, n=3))
    assert step(scheduler) == ([("chat", 10)], [("chat", 2)])
    assert step(scheduler) == ([], [])


def test_prompts_are_not_read_before_a_row_is_free() -> None:
    scheduler = Scheduler(Limits(rows=4))
    first, second = ticket("first", n=4), ticket("second", n=4)
    scheduler.add(first)
    scheduler.add(second)
    assert step(scheduler) == ([("first", 10)], [("first", 4)])
    first.finished = 1
    assert step(scheduler) == ([("second", 10)], [("second", 1)])
    first.finished = 4
    scheduler.remove(first)
    assert step(scheduler) == ([], [("second", 3)])


def test_rollouts_join_every_few_steps_while_somebody_waits_for_an_answer() -> None:
    scheduler = Scheduler(Limits(rollout_every=3))
    rollout, chat = ticket("rollout"), ticket("chat", INTERACTIVE, n=1)
    for each in (rollout, chat):
        scheduler.add(each)
    step(scheduler)
    assert [ROLLOUT in scheduler.decodes() for _ in range(6)] == [False, False, True] * 2
    chat.finished = 1
    assert [scheduler.decodes() for _ in range(2)] == [{ROLLOUT}] * 2


def test_what_is_known_of_a_prompt_is_not_read_and_waiting_costs_nobody_else() -> None:
    scheduler = Scheduler(Limits(prefill_tokens=12))
    for name in ("known", "waits", "other"):
        scheduler.add(ticket(name))
    known = {"known": 7, "waits": None, "other": 0}
    plan = list(scheduler.prefills(lambda each: known[each.request_id]))
    assert names(plan) == [("known", 3), ("other", 9)]
    assert names(list(scheduler.starts())) == [("known", 4)]
    assert names(list(scheduler.prefills(lambda _: 9))) == [("waits", 1), ("other", 1)]


@given(
    st.lists(
        st.tuples(st.sampled_from(Priority), st.integers(1, 60), st.integers(1, 9)), max_size=12
    ),
    st.integers(1, 8),
    st.integers(1, 40),
)
def test_everything_runs_within_the_limits_and_ends(
    requests: list[tuple[Priority, int, int]], rows: int, budget: int
) -> None:
    limits = Limits(rows=rows, interactive_rows=2, prefill_tokens=budget)
    scheduler = Scheduler(limits)
    tickets = [ticket(str(i), *request) for i, request in enumerate(requests)]
    for each in tickets:
        scheduler.add(each)
    for _ in range(2000):
        if not tickets:
            return
        running = scheduler.decodes()
        for each in tickets:
            if each.running and each.priority in running:
                each.finished += 1
        assert sum(count for _, count in scheduler.prefills(lambda _: 0)) <= budget
        list(scheduler.starts())
        assert scheduler.running_rows <= rows + 2
        for each in [each for each in tickets if each.finished == each.n]:
            scheduler.remove(each)
            tickets.remove(each)
    raise AssertionError("requests were left over")
