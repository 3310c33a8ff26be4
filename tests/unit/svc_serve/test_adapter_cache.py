"""Adapters come once, stay while they are used, and are checked before anything loads them."""

import asyncio
import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from burnish.errors import RetryableError, UserError
from burnish.v1 import common_pb2
from svc_serve.adapters import Adapters, AdapterSource
from svc_serve.residency import Residency


def archive(rank: int = 8, files: dict[str, bytes] | None = None, **config: object) -> bytes:
    if files is None:
        settings = {"peft_type": "LORA", "r": rank, **config}
        files = {
            "adapter_config.json": json.dumps(settings).encode(),
            "adapter_model.safetensors": b"weights",
        }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


class Store:
    """An object store in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.downloads = 0
        self.failures = 0

    def put(self, name: str, data: bytes, rank: int = 8, base: str = "base") -> AdapterSource:
        digest = hashlib.sha256(data).hexdigest()
        self.objects[digest] = data
        blob = common_pb2.ObjectRef(bucket="adapters", name=name, sha256=digest)
        return AdapterSource(name, base, rank, blob)

    async def download(self, ref: common_pb2.ObjectRef, path: Path) -> None:
        self.downloads += 1
        await asyncio.sleep(0.01)
        if self.failures:
            self.failures -= 1
            raise RetryableError("the store is away")
        path.write_bytes(self.objects[ref.sha256])  # noqa: ASYNC240


class Engine:
    """Remembers what it was told to load."""

    def __init__(self) -> None:
        self.loaded: dict[str, Path] = {}
        self.loads = 0

    async def load_adapter(self, name: str, path: Path) -> None:
        assert (path / "adapter_model.safetensors").is_file()
        await asyncio.sleep(0.01)
        self.loads += 1
        self.loaded[name] = path

    async def unload_adapter(self, name: str) -> None:
        del self.loaded[name]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def adapters(store: Store, engine: Engine, tmp_path: Path) -> Adapters:
    return Adapters(
        store,
        engine,  # type: ignore[arg-type]
        tmp_path / "adapters",
        base_model="base",
        capacity=2,
        max_rank=16,
    )


async def use(adapters: Adapters, source: AdapterSource) -> None:
    async with adapters.lease(source) as name:
        assert name == source.name


async def test_many_requests_at_once_load_an_adapter_once(
    adapters: Adapters, store: Store, engine: Engine
) -> None:
    source = store.put("a:v1", archive())
    await asyncio.gather(*(use(adapters, source) for _ in range(20)))
    assert (store.downloads, engine.loads) == (1, 1)
    assert engine.loaded["a:v1"].name == source.blob.sha256


async def test_the_least_recently_used_idle_adapter_goes(
    adapters: Adapters, store: Store, engine: Engine
) -> None:
    first, second, third = (store.put(f"a:v{k}", archive(lora_alpha=k)) for k in (1, 2, 3))
    async with adapters.lease(first):
        await use(adapters, second)
        await use(adapters, third)
        assert set(engine.loaded) == {"a:v1", "a:v3"}
    await use(adapters, second)
    assert set(engine.loaded) == {"a:v1", "a:v2"}
    assert store.downloads == 3  # the third load came from the disk


async def test_adapters_in_use_may_exceed_the_capacity(
    adapters: Adapters, store: Store, engine: Engine
) -> None:
    sources = [store.put(f"a:v{k}", archive(lora_alpha=k)) for k in range(4)]
    ready = asyncio.Event()

    async def hold(source: AdapterSource) -> None:
        async with adapters.lease(source):
            await ready.wait()

    tasks = [asyncio.create_task(hold(source)) for source in sources]
    async with asyncio.timeout(5):
        while len(engine.loaded) < 4:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    ready.set()
    await asyncio.gather(*tasks)
    assert len(engine.loaded) == 2


async def test_prefetching_makes_the_first_use_cheap(adapters: Adapters, store: Store) -> None:
    source = store.put("a:v1", archive())
    await adapters.prefetch(source)
    await use(adapters, source)
    assert store.downloads == 1
    assert adapters.loaded == ("a:v1",)


async def test_a_failed_download_is_tried_again(adapters: Adapters, store: Store) -> None:
    source = store.put("a:v1", archive())
    store.failures = 1
    with pytest.raises(RetryableError):
        await use(adapters, source)
    await use(adapters, source)


async def test_a_name_never_gets_other_weights(adapters: Adapters, store: Store) -> None:
    await use(adapters, store.put("a:v1", archive()))
    with pytest.raises(UserError, match="never reused"):
        await use(adapters, store.put("a:v1", archive(lora_alpha=9)))


@pytest.mark.parametrize(
    ("data", "rank", "says"),
    [
        (b"not a tar", 8, "cannot be unpacked"),
        (archive(), 4, "reference says 4"),
        (archive(rank=32), 32, "limit of 16"),
        (archive(files={"adapter_config.json": b'{"r": 8}'}), 8, "safetensors"),
        (archive(files={"adapter_config.json": b"{"}), 8, "cannot be read"),
        (archive(files={"other": b""}), 8, "cannot be read"),
        (archive(files={"../../evil": b"x"}), 8, "cannot be unpacked"),
    ],
)
async def test_what_is_no_adapter_is_refused_and_leaves_nothing(
    adapters: Adapters, store: Store, tmp_path: Path, *, data: bytes, rank: int, says: str
) -> None:
    with pytest.raises(UserError, match=says):
        await use(adapters, store.put("a:v1", data, rank))
    assert [path.name for path in (tmp_path / "adapters").iterdir()] == []
    assert not (tmp_path.parent / "evil").exists()


async def test_an_adapter_of_another_base_or_without_digest_is_refused(
    adapters: Adapters, store: Store
) -> None:
    with pytest.raises(UserError, match="belongs to other"):
        await use(adapters, store.put("a:v1", archive(), base="other"))
    source = store.put("a:v1", archive())
    source.blob.sha256 = "../../etc"
    with pytest.raises(UserError, match="no sha256"):
        await use(adapters, source)
    assert store.downloads == 0


async def test_a_folder_that_vanished_is_fetched_again(
    adapters: Adapters, store: Store, engine: Engine, tmp_path: Path
) -> None:
    source = store.put("a:v1", archive())
    await use(adapters, source)
    for k in (2, 3):
        await use(adapters, store.put(f"a:v{k}", archive(lora_alpha=k)))
    assert "a:v1" not in engine.loaded
    shutil.rmtree(tmp_path / "adapters" / source.blob.sha256)
    await use(adapters, source)
    assert "a:v1" in engine.loaded


def test_residency_never_gives_up_what_is_in_use() -> None:
    residency = Residency(1)
    for key in "abc":
        residency.add(key)
    residency.acquire("a")
    assert residency.surplus() == ["b", "c"]
    residency.release("a")
    assert residency.surplus() == ["b", "c"]
    residency.remove("b")
    assert list(residency) == ["c", "a"]
