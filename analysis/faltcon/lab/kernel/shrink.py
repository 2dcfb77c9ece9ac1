"""The least sequence in which kernel and model still part: parts of a longer one are played."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from faltcon.lab.kernel.played import Difference, Play, repaired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["least"]


def least(
    play: Play, found: Difference, differ: Callable[[Play], Difference | None]
) -> tuple[Play, Difference]:
    """A sequence of which no step can be left out, and where it differs.

    `differ` plays a sequence in both and says where they part; it is called some
    hundred times for a sequence of a hundred steps.
    """
    play = replace(play, steps=play.steps[: found.number + 1])
    again = True
    while again:
        again = False
        for candidate in _smaller(play):
            other = differ(candidate)
            if other is not None:
                play = replace(candidate, steps=candidate.steps[: other.number + 1])
                found, again = other, True
                break
    return play, found


def _smaller(play: Play) -> Iterator[Play]:
    """The sequence without some of its steps, the largest parts first."""
    size = len(play.steps) // 2
    while size:
        for start in range(0, len(play.steps), size):
            steps = play.steps[:start] + play.steps[start + size :]
            candidate = repaired(replace(play, steps=steps))
            if candidate.steps and len(candidate.steps) < len(play.steps):
                yield candidate
        size //= 2
