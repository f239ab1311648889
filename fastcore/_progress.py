"""``progress=``: nothing, a tqdm bar, or the caller's own function."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

Progress: TypeAlias = bool | Callable[[int, int | None], object]


def check_progress(progress: Progress) -> None:
    """Refuse what `progress_bar` would, before the work that comes first."""
    if not isinstance(progress, bool) and not callable(progress):
        raise TypeError(f"progress must be a bool or a callable, got {type(progress).__name__}")


@contextmanager
def progress_bar(progress: Progress, total: int | None, unit: str = "it") -> Iterator[Callable[..., object]]:
    """Give a function that is told how much more is done, and by name what figures a bar may show.

    ``progress=True`` draws a tqdm bar; a callable is called with (done, total), where total is None if
    unknown; False shows nothing.
    """
    check_progress(progress)
    if progress is False:
        yield lambda more, **figures: None
    elif progress is True:
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            raise ImportError("progress=True needs tqdm: pip install 'fastcore-kernels[progress]'") from error
        with tqdm(total=total, unit=unit, unit_scale=True) as bar:

            def draw(more: int, **figures: float) -> None:
                if figures:
                    bar.set_postfix(figures, refresh=False)
                bar.update(more)

            yield draw
    else:
        done = 0

        def step(more: int, **figures: float) -> None:
            nonlocal done
            done += more
            progress(done, total)

        yield step
