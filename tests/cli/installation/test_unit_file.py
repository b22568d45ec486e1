"""The systemd unit as `edged init` writes it."""

from __future__ import annotations

from pathlib import Path

from edged.cli.installation.unit_file import UnitFacts, is_ours, marked, quoted, render

TEMPLATE = (Path(__file__).parents[3] / "systemd/edged.service").read_text()


def test_only_what_is_this_machines_own_differs_from_the_template() -> None:
    unit = render(TEMPLATE, UnitFacts("/opt/edged/bin/edged", "/etc/edged/edged.toml"))
    ours, theirs = unit.splitlines(), TEMPLATE.splitlines()
    assert [line for line in ours if line not in theirs] == [
        ours[0], "ExecStart=/opt/edged/bin/edged run --config /etc/edged/edged.toml"
    ]  # fmt: skip
    assert len(ours) == len(theirs)


def test_folders_that_the_unit_does_not_own_are_made_writable() -> None:
    unit = render(TEMPLATE, UnitFacts("/e", "/c", ["/srv/edged state", "/etc/edged/static"]))
    assert 'ReadWritePaths="/srv/edged state" /etc/edged/static\n' in unit


def test_words_are_quoted_as_systemd_reads_them() -> None:
    assert quoted("/a b/100%") == '"/a b/100%%"'
    assert quoted('/a"$b') == '"/a\\"$$b"'
    assert quoted("/opt/edged/bin/edged") == "/opt/edged/bin/edged"


def test_an_edited_file_is_not_ours_any_more() -> None:
    text = marked("[Service]\n")
    assert is_ours(text)
    assert not is_ours(text + "#\n") and not is_ours("[Service]\n") and not is_ours("")
