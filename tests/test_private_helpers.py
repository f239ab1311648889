"""workers=, rng=, progress= and validation, which every public function shares."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

from fastcore import _interrupt
from fastcore._backend import kernels
from fastcore._extras import require
from fastcore._progress import progress_bar
from fastcore._random import stream_key
from fastcore._texts.characters import kept_ranges
from fastcore._validation import as_choice, as_flag, as_index, as_integers, as_list, as_names, as_number, as_real
from fastcore._workers import call_kernel, check_workers, cpu_count, run, stream
from fastcore.discovery import WordFinder
from fastcore.ngrams import NgramCounter, count_ngrams
from fastcore.reference._rng import Rng, splitmix64

from .helpers import memory_growth, nasty_forms


def square(x: int) -> int:
    return x * x


def fail_at_three(x: int) -> int:
    if x == 3:
        raise RuntimeError("three")
    return x


def until_cancelled(x: int) -> int:
    if x == 0:
        raise RuntimeError("zero")
    for _ in range(1000):
        _interrupt.raise_if_cancelled()
        time.sleep(0.01)
    return x


class TestWorkers:
    @pytest.mark.parametrize("workers", [1, 2, 3, -1, map])
    def test_order_is_kept(self, workers):
        assert run(square, range(20), workers) == [x * x for x in range(20)]

    @pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
    def test_executors(self, pool):
        with pool(2) as executor:
            assert run(square, range(20), executor) == [x * x for x in range(20)]
            assert run(square, range(5), executor.map) == [0, 1, 4, 9, 16]

    def test_kernel_tasks_run_in_processes(self):
        ones, y = np.ones((1, 3, 1)), np.empty((1, 3, 1))
        task = ("recurrence.scans", "linear_scan", "reference", (ones, ones, np.zeros((1, 1)), False, y))
        with ProcessPoolExecutor(1) as executor:
            assert run(call_kernel, [task], executor)[0].ravel().tolist() == [1, 2, 3]

    @pytest.mark.parametrize("workers", [1, 2])
    def test_errors_are_raised(self, workers):
        with pytest.raises(RuntimeError, match="three"):
            run(fail_at_three, range(20), workers)

    def test_an_error_cancels_running_work(self):
        start = time.perf_counter()
        with pytest.raises(RuntimeError, match="zero"):
            run(until_cancelled, range(8), 2)
        assert time.perf_counter() - start < 2
        assert threading.active_count() < 10

    def test_an_endless_stream_is_not_read_ahead_far(self):
        taken = []

        def tasks():
            for i in range(10**9):
                taken.append(i)
                yield i

        results = stream(square, tasks(), 2)
        assert [next(results) for _ in range(3)] == [0, 1, 4]
        results.close()
        assert len(taken) < 20

    def test_done_is_told(self):
        told = []
        run(square, range(5), 2, done=lambda: told.append(1))
        assert len(told) == 5

    @pytest.mark.parametrize(
        ("value", "error"), [(0, ValueError), (-2, ValueError), ("2", TypeError), (1.5, TypeError)]
    )
    def test_bad_workers(self, value, error):
        with pytest.raises(error, match="workers must be"):
            check_workers(value)

    def test_cpu_count(self):
        assert cpu_count() >= 1


class TestRandom:
    def test_splitmix64_against_published_outputs(self):
        # First outputs for seed 1234567, as printed by the reference implementation in C.
        expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
        assert [splitmix64(1234567, i) for i in range(4)] == expected

    def test_xoshiro256_plus_plus_against_published_outputs(self):
        # Test vector of the rand_xoshiro crate, from the reference implementation in C with state 1, 2, 3, 4.
        rng = Rng([0, 0, 0, 0], 0)
        rng.state = [1, 2, 3, 4]
        expected = [41943041, 58720359, 3588806011781223, 3591011842654386, 9228616714210784205]
        assert [rng.next_u64() for _ in range(5)] == expected

    def test_an_int_repeats_and_objects_move_on(self):
        assert stream_key(5).tolist() == stream_key(5).tolist()
        for make in (np.random.SeedSequence, np.random.default_rng):
            source = make(5)
            assert stream_key(source).tolist() != stream_key(source).tolist()
        assert stream_key(None).tolist() != stream_key(None).tolist()

    def test_a_generator_without_a_seed_sequence(self):
        # An object that is a seed sequence only in name: nothing can be spawned from it.
        class Seed(np.random.bit_generator.ISeedSequence):
            def generate_state(self, n_words, dtype=np.uint32):
                return np.arange(n_words, dtype=dtype)

        def generator():
            return np.random.Generator(np.random.PCG64(Seed()))

        source = generator()
        keys = [stream_key(source), stream_key(source)]
        assert keys[0].dtype == np.uint64
        assert keys[0].shape == (4,)
        assert keys[0].tolist() != keys[1].tolist()
        assert keys[0].tolist() == stream_key(generator()).tolist()

    @pytest.mark.parametrize(
        ("value", "error"), [(-1, ValueError), ("1", TypeError), (1.0, TypeError), (True, TypeError)]
    )
    def test_bad_rng(self, value, error):
        with pytest.raises(error, match="rng must be"):
            stream_key(value)

    def test_streams_differ_and_look_uniform(self):
        key = stream_key(0)
        first = [Rng(key, i).next_double() for i in range(2000)]
        assert len(set(first)) == 2000
        assert abs(np.mean(first) - 0.5) < 5 / np.sqrt(12 * 2000)


class TestProgress:
    def test_callable_is_told_done_and_total(self):
        told = []
        with progress_bar(lambda done, total: told.append((done, total)), 10) as step:
            step(4)
            step(6)
        assert told == [(4, 10), (10, 10)]

    def test_nothing_and_tqdm(self, capsys):
        with progress_bar(False, 10) as step:
            step(1)
        assert capsys.readouterr().err == ""
        with progress_bar(True, 10) as step:
            step(10)
        assert "10.0/10.0" in capsys.readouterr().err

    def test_bad_value(self):
        with pytest.raises(TypeError, match="progress must be"), progress_bar("yes", 1):
            pass


class TestValidation:
    def test_layouts_are_taken_and_not_modified(self):
        array = np.arange(12.0).reshape(3, 4)
        for name, form in nasty_forms(array):
            result = as_real(form, "x")
            assert result.flags.c_contiguous and result.flags.aligned, name
            assert result.dtype == np.float64, name
            assert result.dtype.isnative, name
            assert result.tolist() == array.tolist(), name

    @pytest.mark.parametrize(
        ("value", "options", "error", "words"),
        [
            ([[1.0], [1.0, 2.0]], {}, ValueError, "x must be a rectangular array"),
            (["a"], {}, TypeError, "x must be real numbers"),
            ([None], {}, TypeError, "x must be real numbers"),
            ([1j], {}, TypeError, "x must be real numbers"),
            ([np.nan], {}, ValueError, "x must not hold NaN"),
            ([np.inf], {"inf": False}, ValueError, "x must be finite"),
            ([1.0], {"ndim": 2}, ValueError, "x must have 2 dimensions"),
            ([1.0], {"ndim": (2, 3)}, ValueError, "x must have 2 or 3 dimensions"),
            ([1.0], {"shape": (2,)}, ValueError, r"x must have shape \(2,\), got \(1,\)"),
            ([1.0], {"shape": (None, 5)}, ValueError, r"x must have shape \(any, 5\)"),
        ],
    )
    def test_real_refuses(self, value, options, error, words):
        with pytest.raises(error, match=words):
            as_real(value, "x", **options)

    def test_float32_stays(self):
        assert as_real(np.ones(2, np.float32), "x").dtype == np.float32
        assert as_real(np.ones(2, np.int32), "x").dtype == np.float64
        assert as_real([], "x").dtype == np.float64

    def test_integers(self):
        assert as_integers([1, 2], "i").dtype == np.int64
        assert as_integers([], "i").shape == (0,)
        for value, error in (([1.0], TypeError), (["1"], TypeError), ([5], ValueError), ([[1]], ValueError)):
            with pytest.raises(error, match="i must"):
                as_integers(value, "i", ndim=1, low=0, high=5)
        with pytest.raises(ValueError, match="i must lie in"):
            as_integers(np.array([2**63], np.uint64), "i")

    def test_scalars(self):
        assert as_index(np.int8(3), "k") == 3
        assert as_number(2, "p") == 2.0
        assert as_choice("a", "m", ("a", "b")) == "a"
        for call in (
            lambda: as_index(-1, "k"),
            lambda: as_index(9, "k", high=8),
            lambda: as_number(np.nan, "k"),
            lambda: as_number(0, "k", low=0, open_low=True),
            lambda: as_choice("c", "k", ("a", "b")),
        ):
            with pytest.raises(ValueError, match="k must be"):
                call()
        for call in (lambda: as_index(1.0, "k"), lambda: as_index(True, "k"), lambda: as_number("1", "k")):
            with pytest.raises(TypeError, match="k must be"):
                call()


def test_a_missing_extra_names_the_cure():
    with pytest.raises(ImportError, match=r"plots needs absent: pip install 'fastcore-kernels\[plot\]'"):
        require("absent.module", "plot", "plots")


class TestDoors:
    """What callers get wrong is named, never an error from the depths."""

    @pytest.mark.parametrize(
        ("call", "error", "message"),
        [
            (lambda: as_integers([[1], [1, 2]], "k"), ValueError, "k must be a rectangular array"),
            (lambda: as_real(np.ma.masked_array([1.0, 2.0], [0, 1]), "k"), ValueError, "k must not be a masked array"),
            (lambda: as_index(2**63, "k"), ValueError, "k must be between 0 and"),
            (lambda: as_number(10**400, "k"), ValueError, "k must be finite"),
            (lambda: as_number(np.complex128(1), "k"), TypeError, "k must be a number, got complex128"),
            (lambda: as_number(np.ones(1), "k"), TypeError, "k must be a number, got ndarray"),
            (lambda: as_number(np.True_, "k"), TypeError, "k must be a number, got bool"),
            (lambda: as_choice(np.ones(2), "k", ("a", "b")), TypeError, "k must be one of 'a', 'b', got ndarray"),
            (lambda: as_flag("no", "k"), TypeError, "k must be a bool, got str"),
            (lambda: as_flag(np.ones(2), "k"), TypeError, "k must be a bool, got ndarray"),
            (lambda: as_list(3, "k", "a list"), TypeError, "k must be a list, got int"),
            (lambda: as_list(np.array(1), "k", "a list"), TypeError, "k must be a list, got ndarray"),
            (lambda: as_list("ab", "k", "a list"), TypeError, "k must be a list, got str"),
            (lambda: as_names([["a"]], "k"), TypeError, "k must hold str, got list"),
            (lambda: as_names(1.5, "k"), TypeError, "k must be a name or a list of names, got float"),
        ],
    )
    def test_validation(self, call, error, message):
        with pytest.raises(error, match=message):
            call()

    def test_names(self):
        assert as_names("ab", "k") == ("ab",) and as_names(np.array(["a", "b"]), "k") == ("a", "b")
        assert as_flag(np.True_, "k") is True and as_list((1, 2), "k", "a list") == [1, 2]

    @pytest.mark.parametrize(
        ("workers", "error", "message"),
        [
            (True, TypeError, "workers must be an int, a map-like callable or an executor, got bool"),
            (ThreadPoolExecutor, TypeError, "workers must be an executor, got its class ThreadPoolExecutor"),
            (lambda function, tasks: None, TypeError, "workers must return an iterable of results"),
            (lambda function, tasks: [], ValueError, "one result a task, as map does, got 0 results"),
            (lambda function, tasks: [function(t) for t in [*tasks, 1]], ValueError, "got 4 results"),
        ],
    )
    @pytest.mark.parametrize("kind", [list, iter])
    def test_workers(self, workers, error, message, kind):
        with pytest.raises(error, match=message):
            run(square, kind([1, 2, 3]), workers)


class TestCharacters:
    def test_ranges(self):
        assert kept_ranges(None).tolist() == [[0, 0x110000]]
        assert kept_ranges("cjk").tolist() == [[0x4E00, 0x9FA6]]
        assert kept_ranges("cjk+alnum").tolist() == [[0x30, 0x3A], [0x41, 0x5B], [0x61, 0x7B], [0x4E00, 0x9FA6]]
        assert kept_ranges({"b", "a", "d", "\0", "\U0010ffff"}).tolist() == [
            [0, 1],
            [97, 99],
            [100, 101],
            [0x10FFFF, 0x110000],
        ]
        assert kept_ranges([]).shape == (0, 2)

    def test_spelled(self):
        assert kept_ranges("abd", spelled=True).tolist() == [[97, 99], [100, 101]]
        assert kept_ranges("cjk", spelled=True).tolist() == [[0x4E00, 0x9FA6]]
        with pytest.raises(ValueError, match=r"keep must be one of 'cjk', 'alnum', 'cjk\+alnum' or a set"):
            kept_ranges("abd")

    def test_errors_are_the_same_everywhere(self):
        for make in (lambda keep: NgramCounter(keep=keep), lambda keep: WordFinder(keep=keep).fit(["a"])):
            with pytest.raises(ValueError, match="keep must hold single characters, got 'ab'"):
                make(["ab"])
            with pytest.raises(TypeError, match="keep must be the name of a class or a set of characters, got int"):
                make(5)


class TestNgramKernelsRefuse:
    """What no public function passes on, but a file or a pickle might: refused, not read past."""

    def test_offsets_beyond_the_bytes(self, backend):
        kernel = kernels("ngrams.symbols")
        data, out = np.frombuffer(b"abc", np.uint8), np.zeros(10, np.uint32)
        for offsets in ([0, 9], [2, 1], [-1, 2]):
            with pytest.raises(ValueError, match="offsets must rise"):
                kernel.Vocabulary().encode_spans(data, np.array(offsets), 0, 0, out, 0)

    def test_keys_without_counts(self, backend):
        with pytest.raises(ValueError, match=r"one length|shorter"):
            kernels("ngrams.rows").sort_rows(np.zeros((3, 1), np.uint64), np.ones(2, np.int64))

    @pytest.mark.parametrize("symbol", [0xD800, 0x110000])
    def test_symbols_that_are_no_characters(self, backend, symbol):
        with pytest.raises(ValueError, match="Unicode scalar values"):
            kernels("ngrams.symbols").Alphabet(np.array([[0, 0x110000]])).add(np.array([symbol], np.uint32))

    @pytest.mark.parametrize("text", ["a\ud800", "é\ud800", "日\ud800", "😀\ud800"])
    def test_lone_surrogates_in_strings_of_every_width(self, backend, text):
        with pytest.raises(ValueError, match=r"texts\[1\]"):
            count_ngrams(["x", text], 1)


def test_a_leak_is_seen():
    assert memory_growth("kept = []", "kept.append(bytes(30_000))", 300) > 50
    assert memory_growth("", "bytes(30_000)", 300) < 50
