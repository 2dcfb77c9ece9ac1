"""The exception tree: its docstring, its exit codes and its messages agree."""

from __future__ import annotations

import inspect
import re

import pytest

from faltcon import errors


def _classes() -> dict[str, type[errors.FaltconError]]:
    return {
        name: value
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.FaltconError)
    }


def test_all__names_every_error() -> None:
    assert sorted(errors.__all__) == sorted(_classes())


def test_docstring_tree__gives_each_error_its_exit_code() -> None:
    tree = dict(re.findall(r"(\w+Error)\s+(\d+)\s", errors.__doc__ or ""))
    assert tree == {
        name: str(cls.exit_code) for name, cls in _classes().items() if name != "FaltconError"
    }


def test_docstring_tree__indents_each_error_below_its_parent() -> None:
    parents: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"([\s│├└─]*)(\w+Error)\b", line)
        if not match or line.startswith("Every"):
            continue
        depth, name = len(match[1]), match[2]
        while parents and parents[-1][0] >= depth:
            parents.pop()
        if parents:
            assert getattr(errors, name).__bases__ == (getattr(errors, parents[-1][1]),)
        parents.append((depth, name))
    assert parents


def test_input_error__names_file_place_and_mend() -> None:
    error = errors.FormatError("a.pcap", "bad magic", place="byte 0", mend="name a capture")
    assert str(error) == "a.pcap (byte 0): bad magic; name a capture"


@pytest.mark.parametrize("error", [errors.InputError("f", "p"), errors.MissingToolError("t", "p")])
def test_messages__are_one_line(error: errors.FaltconError) -> None:
    assert "\n" not in str(error)


def test_tool_failed_error__shows_the_end_of_the_output_on_one_line() -> None:
    error = errors.ToolFailedError(["ab", "-n", "1"], 22, "one\ntwo\nthree\nfour\n")
    assert str(error) == "ab -n 1 ended with code 22: two | three | four"
