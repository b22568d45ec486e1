"""Every command and option of kwctl 1.36 is there, or the error says what to do instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.cli import from_kwctl
from edged.cli import main as cli
from edged.cli.parsing import Parser

SOURCES = ("--docker-config-json-path", "--sources-path")
SIGNED = (*SOURCES, *from_kwctl.SIGNATURES)
RUN = (
    *SIGNED, "-r", "--request-path", "-s", "--settings-path", "--settings-json", "-e", "--execution-mode", "--raw",
    "--disable-wasmtime-cache", "--allow-context-aware", "--record-host-capabilities-interactions",
    "--replay-host-capabilities-interactions", "--allowed-host-capabilities",
)  # fmt: skip
KWCTL = {
    "annotate": ("-m", "--metadata-path", "-u", "--usage-path", "-o", "--output-path"),
    "bench": (*RUN, "--measurement-time", "--num-resamples", "--num-samples", "--warm-up-time",
              "--dump-results-to-disk"),
    "digest": SOURCES,
    "info": (),
    "inspect": (*SOURCES, "-o", "--output", "--show-signatures"),
    "load": ("--input",),
    "pull": (*SIGNED, "-o", "--output-path"),
    "push": (*SOURCES, "-f", "--force", "-o", "--output"),
    "rm": (),
    "run": RUN,
    "save": ("-o", "--output"),
    "scaffold admission-request": ("-o", "--operation", "--object", "--old-object"),
    "scaffold artifacthub": ("-m", "--metadata-path", "-v", "--version", "-q", "--questions-path", "-o", "--output"),
    "scaffold manifest": (*SIGNED, "-s", "--settings-path", "--settings-json", "-t", "--type", "--title",
                          "--allow-context-aware"),
    "scaffold vap": ("--cel-policy", "-p", "--policy", "-b", "--binding"),
    "scaffold verification-config": (),
}  # fmt: skip
"""Its commands that have the same name here, with its options."""


def command(words: str) -> Parser:
    found: Parser = cli.parser()
    for word in ("policy", *words.split()):
        found = dict(found.children())[word]
    return found


@pytest.mark.parametrize("words", KWCTL)
def test_options(words: str):
    parser = command(words)
    known = {name for action in parser._actions for name in action.option_strings}
    assert [name for name in KWCTL[words] if name not in known | set(parser._instead)] == []
    assert not set(parser._instead) & {name for name in known if name != "-o"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("run --verification-key k -r x m", "no option --verification-key: this release does not verify signatures"),
        ("run -kFILE -r x m", "no option -k: this release does not verify signatures"),
        ("pull --cert-email=a@b registry://a/b", "no option --cert-email: this release does not verify signatures"),
        ("inspect --show-signatures m", "no option --show-signatures: this release does not verify"),
        ("bench --record-host-capabilities-interactions f -r x m", "`edged policy run` records, bench replays"),
        ("scaffold admission-request -o CREATE --object x", "-o is the format; the operation is --operation"),
        ("scaffold artifacthub -o pkg.yml", "-o is the format; redirect the output to a file"),
        ("policies", "there is no operation 'policies' in `edged policy`: `edged policy list`"),
        ("verify registry://a/b", "there is no operation 'verify' in `edged policy`: this release does not verify"),
        ("completions -s bash", "`edged completion SHELL`"),
        ("docs -o x", "`edged man`"),
        ("-v run -r x m", "edged policy has no option -v: "),
        ("--no-color list", "NO_COLOR=1"),
    ],
)
def test_what_is_not_here_is_told_with_what_to_do(words: str, said: str, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["policy", *words.split()]) == 2
    assert said in capsys.readouterr().err


def test_a_misspelling_is_still_told(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["policy", "run", "-r", "x", "--setings-json", "{}", "m"]) == 2
    assert "has no option --setings-json; did you mean --settings-json?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    ["policy run", "policy bench", "policy test", "policy inspect", "policy pull", "policy push", "policy digest",
     "policy scaffold manifest", "policy scaffold toml", "module inspect", "module pull", "module push"],
)  # fmt: skip
def test_whatever_fetches_modules_can_be_told_how(words: str):
    parser: Parser = cli.parser()
    for word in words.split():
        parser = dict(parser.children())[word]
    assert set(SOURCES) <= {name for action in parser.options() for name in action.option_strings}


def test_the_documents_name_each(request: pytest.FixtureRequest):
    text = (Path(request.config.rootpath) / "docs" / "policy-tools.md").read_text()
    table = text[text.index("## Coming from kwctl") :]
    for hints in (from_kwctl.RUN, from_kwctl.BENCH, from_kwctl.INSPECT, from_kwctl.COMMANDS):
        assert [name for name in hints if f"`{name}`" not in table] == []
