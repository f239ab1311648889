"""Choosing a twin and an instruction set."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

import fastcore
from fastcore import _isa
from fastcore._backend import KERNELS, kernels
from fastcore._config import config

from .helpers import run_script

PRINT_BACKEND = "import fastcore; print(fastcore.active_backend())"
PRINT_VARIANTS = (
    "from fastcore import _isa; from fastcore._backend import KERNELS; "
    "print(*(f'{d}:{_isa.variant(_isa.load(d))}' for d in KERNELS))"
)


class TestUseBackend:
    def test_both_names(self):
        for name in ("compiled", "reference"):
            with fastcore.use_backend(name):
                assert fastcore.active_backend() == name
                expected = f"fastcore.reference.{KERNELS[-1]}" if name == "reference" else "fastcore._kernels"
                assert kernels(KERNELS[-1]).__spec__.name.startswith(expected)

    def test_nests_and_restores_after_an_error(self):
        before = fastcore.active_backend()
        with fastcore.use_backend("reference"):
            with pytest.raises(ZeroDivisionError), fastcore.use_backend("compiled"):
                raise ZeroDivisionError
            assert fastcore.active_backend() == "reference"
        assert fastcore.active_backend() == before

    def test_unknown_name(self):
        with (
            pytest.raises(ValueError, match="must be one of compiled, reference, got 'fast'"),
            fastcore.use_backend("fast"),
        ):
            pass

    def test_another_thread_is_not_touched(self):
        seen = []
        default = fastcore.active_backend()
        other = "compiled" if default == "reference" else "reference"
        with fastcore.use_backend(other):
            thread = threading.Thread(target=lambda: seen.append(fastcore.active_backend()))
            thread.start()
            thread.join()
        assert seen == [default]

    def test_tasks_are_apart(self):
        async def run(name: str) -> bool:
            with fastcore.use_backend(name):
                await asyncio.sleep(0.001)
                return fastcore.active_backend() == name

        async def both() -> list[bool]:
            return await asyncio.gather(*(run(n) for n in ("reference", "compiled") * 5))

        assert all(asyncio.run(both()))

    def test_environment_variable(self):
        assert run_script(PRINT_BACKEND, env={"FASTCORE_BACKEND": "reference"}).stdout.strip() == "reference"
        assert run_script(PRINT_BACKEND, env={"FASTCORE_BACKEND": ""}).stdout.strip() == "compiled"

    def test_wrong_environment_variable(self):
        result = run_script(PRINT_BACKEND, env={"FASTCORE_BACKEND": "numba"})
        assert result.returncode != 0
        assert "FASTCORE_BACKEND must be one of compiled, reference, got 'numba'" in result.stderr


class TestInstructionSet:
    @pytest.mark.parametrize("isa", _isa.available())
    def test_forced_variant_runs(self, isa):
        result = run_script(PRINT_VARIANTS, env={"FASTCORE_ISA": isa})
        assert result.returncode == 0, result.stderr
        found = dict(pair.split(":") for pair in result.stdout.split())
        assert set(found) == set(KERNELS)
        # A kernel built once, and a debug build, have the baseline only.
        assert set(found.values()) <= {isa, "baseline"}
        if config()["build"] == "build" and isa in ("v3", "v4"):
            assert found["chain"] == found["ngrams.rows"] == found["reactions"] == isa

    def test_newest_is_the_default(self):
        assert run_script(PRINT_VARIANTS, env={"FASTCORE_ISA": ""}).stdout == (
            run_script(PRINT_VARIANTS, env={"FASTCORE_ISA": _isa.available()[-1]}).stdout
        )

    def test_unknown_name(self):
        result = run_script(PRINT_VARIANTS, env={"FASTCORE_ISA": "avx2"})
        assert "FASTCORE_ISA must be one of baseline, v3, v4, got 'avx2'" in result.stderr

    def test_one_the_processor_lacks(self, monkeypatch):
        monkeypatch.setattr(_isa, "available", lambda: ("baseline",))
        monkeypatch.setenv("FASTCORE_ISA", "v4")
        with pytest.raises(ImportError, match="v4 was asked for, but this processor has only baseline"):
            _isa.selected.__wrapped__()

    @pytest.mark.compiled
    def test_all_variants_give_the_same_bits(self):
        script = """
import numpy as np
from fastcore.recurrence import linear_scan
rng = np.random.default_rng(0)
print(hash(linear_scan(rng.normal(size=(50, 7)), rng.normal(size=(50, 7)), axis=0).tobytes()))
"""
        env = {"PYTHONHASHSEED": "0"}
        assert len({run_script(script, env={**env, "FASTCORE_ISA": isa}).stdout for isa in _isa.available()}) == 1


class TestPackage:
    def test_show_config(self, capsys):
        fastcore.show_config()
        text = capsys.readouterr().out
        for word in ("fastcore", "numpy", "compiler", "isa_selected", "kernels"):
            assert word in text

    def test_modules_are_found_when_asked_for(self):
        assert set(fastcore.__all__) <= set(dir(fastcore))
        for name in fastcore.__all__:
            assert getattr(fastcore, name) is not None
        with pytest.raises(AttributeError, match="no attribute 'parallel'"):
            fastcore.parallel  # noqa: B018

    def test_importing_the_package_is_light(self):
        script = "import sys, fastcore; print(sorted(m for m in ('scipy', 'pandas', 'matplotlib') if m in sys.modules))"
        assert run_script(script).stdout.strip() == "[]"

    def test_missing_kernels_fail_and_say_why(self, monkeypatch):
        _isa.load.cache_clear()
        monkeypatch.setattr(_isa, "selected", lambda: "baseline")
        with pytest.raises(ImportError, match=r"'fastcore\._kernels\.absent' are missing: the package was not built"):
            _isa.load("absent")
        assert np.array_equal(fastcore.recurrence.linear_scan([1.0], [1.0]), [1.0])
