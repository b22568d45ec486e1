"""The frame around rows: which are chosen, and what becomes of one that cannot run, fails unexpectedly or hangs."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.fire.__main__ import chosen, main, options_of, run_row
from tests.fire.cases import ROWS
from tests.fire.context import Context
from tests.fire.rows import Expected, NotRun, Outcome, Row, Tally


def row(run: Callable[[Context, Tally], None], timeout_s: float = 30.0) -> Row:
    return Row("a-case", "a load", run, Expected(rss_mib=None), timeout_s=timeout_s)


def test_rows_have_names_of_their_own_and_say_their_load() -> None:
    names = [each.name for each in ROWS]
    assert len(names) == len(set(names))
    assert all(each.load and each.name == each.name.lower() and " " not in each.name for each in ROWS)


def test_rows_are_chosen_by_name_or_form() -> None:
    assert chosen([], quick=False) == list(ROWS)
    short = chosen([], quick=True)
    assert short and all(each.quick for each in short)
    last = ROWS[-1].name
    assert [each.name for each in chosen([last], quick=True)] == [last]


def test_an_unknown_row_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        options_of(["--rows", "nothing"])
    assert end.value.code == 2 and "no row nothing" in capsys.readouterr().err


def test_the_list_names_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [each.name for each in ROWS]


def test_a_row_counts_in_its_tally_and_its_folder_goes() -> None:
    seen: list[Context] = []

    def run(context: Context, tally: Tally) -> None:
        seen.append(context)
        assert context.folder.is_dir()
        tally.check(context.scaled(10, 1) == 1, "the short form")

    result = run_row(row(run), quick=True)
    assert (result.outcome, result.tally.asked) == (Outcome.HELD, 1)
    assert not seen[0].folder.exists()


def test_a_row_that_cannot_run_is_told_apart_from_one_that_fails() -> None:
    def lacking(context: Context, tally: Tally) -> None:
        raise NotRun("there is no Go")

    def broken(context: Context, tally: Tally) -> None:
        tally.add_lost("no answer")
        raise RuntimeError("the row itself")

    result = run_row(row(lacking), quick=False)
    assert (result.outcome, result.problems) == (Outcome.NOT_RUN, ("there is no Go",))
    result = run_row(row(broken), quick=False)
    assert result.outcome is Outcome.FAILED
    assert result.problems[0] == "RuntimeError: the row itself" and result.problems[1].startswith("1 lost")


def test_a_row_that_hangs_is_ended_and_fails() -> None:
    def hangs(context: Context, tally: Tally) -> None:
        time.sleep(60)

    result = run_row(row(hangs, timeout_s=0.3), quick=False)
    assert result.outcome is Outcome.FAILED and "did not end within its time" in result.problems[0]
