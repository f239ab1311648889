"""Counting beyond one process: a folder of files on dask.distributed, also when workers die."""

from __future__ import annotations

import os
import signal
from concurrent.futures import Future
from pathlib import Path

import pytest

from fastcore._data import poems
from fastcore.ngrams import NgramTable, count_ngrams

pytestmark = pytest.mark.slow

FILES = 8


@pytest.fixture(scope="module")
def client():
    """A client of two processes, restarted by their nannies when they die."""
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def folder(tmp_path, backend) -> Path:
    """A folder of files that take long enough to be counted that a worker can be killed meanwhile."""
    texts = poems()[: backend.size(40_000, 1600)]
    for i in range(FILES):
        mine = texts[i * len(texts) // FILES : (i + 1) * len(texts) // FILES]
        (tmp_path / f"{i}.txt").write_text("\n".join(mine * backend.size(3, 1)), encoding="utf-8")
    return tmp_path


def assert_same(table: NgramTable, expected: NgramTable) -> None:
    """Same to the bit: keys, counts, and the order of the symbols."""
    assert table == expected and list(table) == list(expected) and table.totals == expected.totals
    for ours, theirs in zip((*table._keys, *table._counts), (*expected._keys, *expected._counts), strict=True):
        assert ours.dtype == theirs.dtype and ours.tobytes() == theirs.tobytes()


class Keeper:
    """An executor that keeps its futures, so that Dask remembers their results."""

    def __init__(self, client):
        self.executor = client.get_executor()
        self.futures: list[Future] = []

    def submit(self, function, task):
        self.futures.append(self.executor.submit(function, task))
        return self.futures[-1]


class Killer(Keeper):
    """An executor that kills one of Dask's workers as soon as the first result has come."""

    def __init__(self, client):
        super().__init__(client)
        self.pids = client.run(os.getpid)
        self.unfinished = 0

    def submit(self, function, task):
        future = super().submit(function, task)
        if len(self.futures) == 1:
            future.add_done_callback(self.kill)
        return future

    def kill(self, future):
        self.unfinished = sum(not f.done() for f in self.futures)
        os.kill(next(iter(self.pids.values())), signal.SIGKILL)


class TestDask:
    @pytest.mark.parametrize("options", [{"keep": "cjk"}, {"unit": "token"}, {"max_memory": "2MiB", "min_count": 2}])
    def test_a_folder(self, backend, client, folder, options):
        expected = count_ngrams(folder, (1, 3), **options)
        assert_same(count_ngrams(folder, (1, 3), workers=client.get_executor(), **options), expected)

    def test_texts(self, backend, client):
        texts = poems()[: backend.size(20_000, 300)]
        assert_same(count_ngrams(texts, workers=client.get_executor()), count_ngrams(texts))

    def test_a_worker_is_killed_in_the_middle(self, backend, client, folder):
        files = sorted(folder.iterdir()) * backend.size(1, 3)
        expected = count_ngrams(files)
        killer = Killer(client)
        assert_same(count_ngrams(files, workers=killer), expected)
        assert killer.unfinished >= 1
        client.wait_for_workers(2, timeout=60)
        assert set(client.run(os.getpid).values()) != set(killer.pids.values())

    def test_a_file_that_changes_is_counted_again(self, backend, client, tmp_path):
        keeper = Keeper(client)
        for text in ("abc", "bcd"):
            (tmp_path / "text").write_text(text, encoding="utf-8")
            assert count_ngrams(tmp_path, 3, workers=keeper).to_dict() == {text: 1}

    def test_an_error_comes_back(self, backend, client, folder):
        (folder / "3.txt").write_bytes(b"ab\ncd\xff")
        with pytest.raises(ValueError, match=r"3\.txt, line 2, byte 3: not UTF-8 \(0xff\)"):
            count_ngrams(folder, workers=client.get_executor())
        with pytest.raises(FileNotFoundError, match=r"missing\.txt"):
            count_ngrams([folder / "0.txt", folder / "missing.txt"], workers=client.get_executor())
