"""Graded labs for a course: made with a seed of the instructor's, and graded with otter-grader.

The labs are `book/exercises/*.md`. Their tests hold places for numbers; these are
filled in from data that are generated here with a seed, so that nobody who reads
the project knows what an instructor's hidden tests expect.
"""

from __future__ import annotations

__all__: list[str] = []
