"""Tables of the read model."""

from pathlib import Path

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    event,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

VERSION = 5
"""Another version in the file means: drop everything and project again."""

metadata = MetaData()

cursors = Table(
    "cursors",
    metadata,
    Column("stream", String, primary_key=True),
    # A stream that was made anew starts its sequences again.
    Column("incarnation", String, nullable=False),
    Column("sequence", Integer, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("project", String, nullable=False, default=""),
    # What is wanted (from the jobs bucket); None while only events have been seen.
    Column("spec", LargeBinary),
    Column("cancelled", Boolean, nullable=False, default=False),
    Column("paused", Boolean, nullable=False, default=False),
    Column("resumes", Integer, nullable=False, default=0),
    Column("created_at", Float),
    # How far it is (from events).
    Column("state", Integer, nullable=False, default=0),
    Column("stage", String, nullable=False, default=""),
    Column("message", String, nullable=False, default=""),
    Column("bottleneck", String, nullable=False, default=""),
    Column("step", Integer, nullable=False, default=0),
    Column("total_steps", Integer, nullable=False, default=0),
    Column("finished_at", Float),
    Column("metrics", JSON, nullable=False, default=dict),
    Column("adapter", LargeBinary),
    Column("usage", LargeBinary),
    # The adapter of the best evaluation so far.
    Column("best_adapter", LargeBinary),
    # Of `resumes`, as far as the learner has heard.
    Column("heard_resumes", Integer, nullable=False, default=0),
    # A `DesiredJob` that holds nothing but its sets of rewards.
    Column("reward_sets", LargeBinary, nullable=False, default=b""),
    # Number of the set in force (from events).
    Column("reward_set", Integer, nullable=False, default=1),
)

steps = Table(
    "steps",
    metadata,
    Column("job_id", String, primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("stage", String, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("time", Float, nullable=False),
)

evaluations = Table(
    "evaluations",
    metadata,
    Column("job_id", String, primary_key=True),
    Column("label", String, primary_key=True),
    Column("policy_version", Integer, nullable=False),
    Column("adapter", String, nullable=False),
    Column("reward_mean", Float, nullable=False),
    Column("time", Float, nullable=False),
)

adapters = Table(
    "adapters",
    metadata,
    Column("name", String, primary_key=True),
    Column("job_id", String, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("ref", LargeBinary, nullable=False),
    Column("time", Float, nullable=False),
)

completions = Table(
    "completions",
    metadata,
    Column("completion_id", String, primary_key=True),
    # Of the scores stream: the order in which they arrived.
    Column("sequence", Integer, nullable=False),
    Column("job_id", String, nullable=False),
    Column("group_id", String, nullable=False),
    Column("row_id", String, nullable=False),
    Column("prompt", String, nullable=False),
    Column("completion", String, nullable=False),
    Column("reward", Float),
    Column("scores", LargeBinary, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    Column("purpose", Integer, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("row", LargeBinary, nullable=False),
    Index("completions_by_job", "job_id", "sequence"),
)


def engine_at(path: Path) -> AsyncEngine:
    """An engine on the SQLite file `path`; readers do not wait for the writer."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")

    @event.listens_for(engine.sync_engine, "connect")
    def _pragmas(connection, _record) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA busy_timeout=5000")
        cursor.close()

    return engine


async def prepare(connection: AsyncConnection) -> None:
    """Create the tables; drop them first when they are another version's."""
    found = (await connection.execute(text("PRAGMA user_version"))).scalar_one()
    if found != VERSION:
        await clear(connection)
    await connection.run_sync(metadata.create_all)
    await connection.execute(text(f"PRAGMA user_version={VERSION}"))


async def clear(connection: AsyncConnection) -> None:
    """Forget everything."""
    await connection.run_sync(metadata.drop_all)
    await connection.run_sync(metadata.create_all)
