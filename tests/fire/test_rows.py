"""The judgement of a row, the table and the exit code, on results made up here."""

from __future__ import annotations

import pytest

from tests.fire.rows import KEPT, Expected, Outcome, Result, Row, Tally, exit_code, judged, table


def nothing(context: object, tally: Tally) -> None:
    """A row that puts on no load."""


ROW = Row("a-case", "a load", nothing, Expected(late=2))


def tally(asked: int = 5, rss_mib: float = 50.0) -> Tally:
    made = Tally()
    made.add_asked(asked)
    made.peak(rss_mib)
    return made


def test_what_is_as_expected_holds() -> None:
    result = judged(ROW, tally(), 1.0)
    assert (result.outcome, result.problems) == (Outcome.HELD, ())


@pytest.mark.parametrize(
    ("add", "problem"),
    [
        (lambda made: made.add_lost("no answer"), "1 lost, expected 0: no answer"),
        (lambda made: made.add_wrong("allowed"), "1 wrong, expected 0: allowed"),
        (lambda made: made.check(False, "not so"), "1 wrong, expected 0: not so"),
        (lambda made: [made.add_late(f"after {n} s") for n in range(3)], "3 late, expected 2: after 0 s; after 1 s"),
        (lambda made: made.peak(300.6), "RSS peak 301 MiB, expected at most 300"),
    ],
)
def test_what_is_not_as_expected_fails_with_its_reason(add, problem: str) -> None:  # type: ignore[no-untyped-def]
    made = tally()
    add(made)
    result = judged(ROW, made, 1.0)
    assert result.outcome is Outcome.FAILED
    assert len(result.problems) == 1 and result.problems[0].startswith(problem)


def test_as_much_as_is_expected_holds() -> None:
    made = tally(rss_mib=300.0)
    for _ in range(2):
        made.add_late("late")
    made.check(True, "not said")
    assert judged(ROW, made, 1.0).outcome is Outcome.HELD


def test_a_row_without_load_or_sample_does_not_hold() -> None:
    problems = judged(ROW, tally(asked=0, rss_mib=0.0), 1.0).problems
    assert any("did not put on its load" in problem for problem in problems)
    assert any("no daemon was sampled" in problem for problem in problems)
    assert judged(Row("b", "", nothing, Expected(rss_mib=None)), tally(rss_mib=0.0), 1.0).outcome is Outcome.HELD


def test_faults_are_counted_all_and_told_a_few_times() -> None:
    made = tally()
    for number in range(3 * KEPT):
        made.add_wrong(f"text {number % (2 * KEPT)}")
    assert (made.wrong.count, len(made.wrong.texts)) == (3 * KEPT, KEPT)


def test_the_table_names_what_failed_and_what_was_not_run() -> None:
    failed = tally()
    failed.add_lost("no answer")
    results = [
        judged(ROW, tally(), 1.0),
        judged(Row("other", "a longer load", nothing), failed, 2.0),
        Result(Row("third", "none", nothing), Outcome.NOT_RUN, Tally(), 0.0, ("there is no Go",)),
    ]
    lines = table(results).splitlines()
    assert lines[0].split() == ["case", "load", "asked", "lost", "wrong", "late", "RSS", "peak", "expected"]
    assert lines[1].split() == [
        "a-case", "a", "load", "5", "0", "0", "0", "50", "MiB", "0", "lost,", "0", "wrong,", "2", "late,", "RSS", "<=",
        "300", "held",
    ]  # fmt: skip
    assert lines[2].endswith("FAILED") and lines[3].endswith("not run")
    assert lines[4:] == ["other: FAILED: 1 lost, expected 0: no answer", "third: not run: there is no Go"]
    assert [exit_code(results[:count]) for count in (1, 2, 3)] == [0, 1, 1]
    assert exit_code([results[0], results[2]]) == 1, "what was not run did not hold"
    assert results[1].as_json()["lost"] == 1
