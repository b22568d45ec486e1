"""The table of docs/policy-tools.md that compares commands with kwctl's: complete, and true of the real parser."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from edged.cli import main
from edged.cli.parsing import Parser

DOCUMENT = (Path(__file__).parents[2] / "docs" / "policy-tools.md").read_text()
_RUN = (
    "--docker-config-json-path --sources-path --request-path -r --settings-path -s --settings-json --execution-mode -e "
    "--raw --disable-wasmtime-cache --allow-context-aware --record-host-capabilities-interactions "
    "--replay-host-capabilities-interactions --allowed-host-capabilities"
)
_SIGNATURES = (
    "--verification-config-path --verification-key -k --verification-annotation -a --cert-email --cert-oidc-issuer "
    "--github-owner --github-repo --sigstore-trust-config --show-signatures"
)
_NETWORK = "--docker-config-json-path --sources-path"
KWCTL = {
    "annotate": "--metadata-path -m --usage-path -u --output-path -o",
    "bench": f"{_RUN} --measurement-time --num-resamples --num-samples --warm-up-time --dump-results-to-disk",
    "completions": "--shell -s",
    "digest": _NETWORK,
    "docs": "--output -o",
    "info": "",
    "inspect": f"{_NETWORK} --output -o",
    "load": "--input",
    "policies": "",
    "pull": f"{_NETWORK} --output-path -o",
    "push": f"{_NETWORK} --force -f --output -o",
    "rm": "",
    "run": _RUN,
    "save": "--output -o",
    "scaffold admission-request": "--operation -o --object --old-object",
    "scaffold artifacthub": "--metadata-path -m --version -v --questions-path -q --output -o",
    "scaffold manifest": f"{_NETWORK} --settings-path -s --settings-json --type -t --title --allow-context-aware",
    "scaffold vap": "--cel-policy --policy -p --binding -b",
    "scaffold verification-config": "",
    "verify": _NETWORK,
}
"""kwctl's commands and their options (crates/kwctl/src/cli.rs of Kubewarden), without those about signatures."""


def rows() -> dict[str, tuple[str, str]]:
    """kwctl's command -> (edged's, what differs)."""
    section = DOCUMENT.partition("## Coming from kwctl")[2]
    found = re.findall(r"^\| `([^`]+)` \| `?([^|`]+)`? \| (.*?) ?\|$", section, re.MULTILINE)
    return {theirs: (ours.strip(), differs) for theirs, ours, differs in found}


def parser_of(words: str) -> Parser:
    """The parser of an edged command."""
    found = main.parser()
    for word in words.split()[1:]:
        found = dict(found.children())[word]
    return found.declared()


def test_the_table_has_each_command_of_kwctl() -> None:
    assert list(rows()) == list(KWCTL)


@pytest.mark.parametrize("theirs", [name for name in KWCTL if name != "verify"])
def test_each_option_of_kwctl_is_there_or_the_table_says_why_not(theirs: str) -> None:
    ours, differs = rows()[theirs]
    parser = parser_of(ours)
    names = {name for action in parser._actions for name in action.option_strings}
    absent = set(KWCTL[theirs].split()) - names
    said = {word for word in re.findall(r"`([^`]+)`", differs) if word.startswith("-")}
    assert absent <= said


def test_what_takes_another_meaning_is_said() -> None:
    """Options of the same name that take something else."""
    for theirs, options in KWCTL.items():
        ours, differs = rows()[theirs]
        if ours == "none" or "-o" not in options.split():
            continue
        (action,) = [each for each in parser_of(ours)._actions if "-o" in each.option_strings] or [None]
        writes_file = action is not None and not action.choices
        if theirs in ("annotate", "pull", "save"):
            assert writes_file
        elif theirs not in ("push", "inspect"):
            assert "`-o`" in differs


def test_options_about_signatures_are_named_and_not_there() -> None:
    end = DOCUMENT.rpartition("For the same reason there is no")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(-[^`]+)`", end)) == set(_SIGNATURES.split())
    for ours, _ in rows().values():
        if ours != "none":
            names = {name for action in parser_of(ours)._actions for name in action.option_strings}
            assert not names & {name for name in _SIGNATURES.split() if name.startswith("--")}


def test_a_command_without_a_counterpart_has_a_reason() -> None:
    assert {theirs for theirs, (ours, _) in rows().items() if ours == "none"} == {"verify"}
    assert "does not verify signatures" in rows()["verify"][1]


def test_commands_as_people_type_them_for_kwctl_parse() -> None:
    for line in (
        "policy run -r request.json -s settings.yml -e wasi --sources-path s.yml --allowed-host-capabilities * p.wasm",
        "policy bench --num-samples 3 --warm-up-time 1 --measurement-time 2 -r request.json p.wasm",
        "policy pull --sources-path s.yml registry://host.example/p:v1",
        "policy scaffold manifest -t AdmissionPolicy --docker-config-json-path . p.wasm",
        "policy push -f -o json p.wasm registry://host.example/p:v1",
        "policy inspect -o yaml --sources-path s.yml p.wasm",
    ):
        parsed = main.parser().parse_args(line.split())
        assert isinstance(parsed, argparse.Namespace) and parsed.operation == line.split()[1]
