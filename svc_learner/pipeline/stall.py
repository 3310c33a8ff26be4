"""Why nothing comes: which service is silent, and what is missing. Pure."""

from svc_learner.pipeline.surroundings import Queue, Service, Surroundings

_ROLES = {
    "rollout": "no rollout service is alive: nobody asks for samples",
    "reward": "no reward service is alive: nobody scores what was sampled",
}


def explain(around: Surroundings | None, base_model: str) -> str:
    """One clause for people: the first thing on a group's way that does not work."""
    if around is None:
        return "the message bus does not answer"
    for name in ("rollout", "serve", "reward"):
        alive = [service for service in around.services if service.name == name]
        problem = _problem(name, alive, base_model)
        if problem:
            return problem
    sampling = _busy(around.groups, "groups", "sampled")
    scoring = _busy(around.completions, "completions", "scored")
    if sampling or scoring:
        activities = _activities(around)
        return "; ".join(filter(None, (scoring, sampling, activities)))
    return "all services are alive, and none of them has anything to do: it may have been lost"


def _problem(name: str, alive: list[Service], base_model: str) -> str:
    if name == "serve":
        if not any(base_model in service.base_models for service in alive):
            return _no_engine(alive, base_model)
    elif not alive:
        return _ROLES[name]
    elif all(service.activity.startswith("cannot ") for service in alive):
        return f"the {name} service {alive[0].activity}"
    return ""


def _no_engine(alive: list[Service], base_model: str) -> str:
    if loading := next((s for s in alive if s.activity == f"loading {base_model}"), None):
        return f"the serve service is {loading.activity}"
    others = sorted({model for service in alive for model in service.base_models})
    only = f" (only {', '.join(others)})" if others else ""
    return f"no serve service answers for {base_model}{only}: start one with BURNISH_BASE_MODEL"


def _busy(queue: Queue, things: str, done: str) -> str:
    if not queue.waiting and not queue.working:
        return ""
    waiting = f"{queue.waiting} {things} wait to be {done}, " if queue.waiting else ""
    return f"{waiting}{queue.working} {things} are being {done}"


def _activities(around: Surroundings) -> str:
    found = (
        f"{service.name}: {service.activity}"
        for service in around.services
        if service.name in {"serve", "reward"} and service.activity
    )
    return ", ".join(found)
