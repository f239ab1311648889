"""Fixtures: every behaviour test that takes `backend` runs on both twins."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, settings

import fastcore

ONLY_REFERENCE = os.environ.get("FASTCORE_BACKEND") == "reference"

settings.register_profile(
    "fastcore",
    deadline=None,
    max_examples=50,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# Before a release: examples that no run has seen. A failure prints what repeats it, and so does --hypothesis-seed.
settings.register_profile("fresh", settings.get_profile("fastcore"), max_examples=1000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fastcore"))


@dataclass(frozen=True)
class Backend:
    """One of the twins, active while the test runs."""

    name: str

    @property
    def compiled(self) -> bool:
        return self.name == "compiled"

    def size(self, compiled: int, reference: int) -> int:
        """Pick a workload's size: the twin gets a smaller one."""
        return compiled if self.compiled else reference


TWINS = ["reference"] if ONLY_REFERENCE else ["compiled", "reference"]


@pytest.fixture(params=TWINS)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Run the test once on each twin."""
    with fastcore.use_backend(request.param):
        yield Backend(request.param)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run tests that take more than a few seconds")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect slow tests without --slow: they aren't skipped, they belong to another run."""
    if ONLY_REFERENCE:
        for item in items:
            if item.get_closest_marker("compiled"):
                item.add_marker(pytest.mark.skip(reason="about the compiled kernels; the reference backend is forced"))
    if config.getoption("--slow"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if not item.get_closest_marker("slow")]
