"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged import config as configuration
from edged.cli import main, options
from edged.cli.parsing import Parser
from edged.errors import ConfigError
from edged.kube.config import KubernetesConfig


def test_the_default_configuration_file_is_the_daemons() -> None:
    assert options.DEFAULT_CONFIG == configuration.DEFAULT_PATH


def test_a_cluster_comes_from_the_options_before_the_configuration(tmp_path: Path) -> None:
    parser = Parser(prog="p")
    options.kubeconfig(parser)
    configured = KubernetesConfig(kubeconfig="/etc/kubeconfig", context="there")
    assert options.cluster(parser.parse_args([]), configured) == configured
    assert options.cluster(parser.parse_args([])) == KubernetesConfig()
    file = tmp_path / "kubeconfig"
    file.write_text("{}")
    given = parser.parse_args(["--kubeconfig", str(file)])
    found = options.cluster(given, configured)
    assert found == KubernetesConfig(kubeconfig=str(file))  # without the context, which was another file's
    given = parser.parse_args(["--context", "here"])
    assert options.cluster(given, configured) == KubernetesConfig(kubeconfig="/etc/kubeconfig", context="here")


def test_a_kubeconfig_that_is_not_there_is_named() -> None:
    parser = Parser(prog="p")
    options.kubeconfig(parser)
    with pytest.raises(ConfigError, match="--kubeconfig /none: there is no such file"):
        options.cluster(parser.parse_args(["--kubeconfig", "/none"]))


def test_a_file_that_exists_is_written_over_only_with_force(tmp_path: Path) -> None:
    parser = Parser(prog="p")
    options.force(parser)
    file = tmp_path / "file"
    options.check_new(file, parser.parse_args([]))
    file.write_text("")
    with pytest.raises(ConfigError, match="exists; --force writes over it"):
        options.check_new(file, parser.parse_args([]))
    options.check_new(file, parser.parse_args(["--force"]))


@pytest.mark.parametrize("words", [["-o", "a"], ["--output-path", "a"]])
def test_the_file_to_write_has_a_name_of_its_own(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="p")
    options.output_path(parser, "the file")
    assert parser.parse_args(words).output_path == "a"
    assert ("-o is now --output-path" in capsys.readouterr().err) == (words[0] == "-o")


def test_shared_options_parse() -> None:
    parser = Parser(prog="p")
    options.filenames(parser, "objects")
    options.namespace(parser, all_namespaces=True)
    options.watch(parser)
    options.socket(parser)
    options.quiet(parser)
    options.cache_dir(parser)
    options.output(parser)
    found = parser.parse_args(["-f", "a", "-f", "-", "-A", "-w", "-q", "-o", "wide"])
    assert (found.filename, found.all_namespaces, found.watch) == (["a", "-"], True, True)
    assert (found.namespace, found.output, found.quiet, found.config, found.socket) == \
        ("default", "wide", True, None, None)


@pytest.mark.parametrize(("text", "said"), [
    ("0", 0), ("-3", -3), ("7", 7), ("8", None), ("-4", None), ("1.5", None), ("x", None), ("", None), ("٣", None),
    ("9" * 5000, None), ("--1", None),
])  # fmt: skip
def test_whole_numbers_have_a_range(text: str, said: int | None, capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="p")
    parser.add_argument("--count", type=options.whole(-3, 7))
    if said is not None:
        assert parser.parse_args([f"--count={text}"]).count == said
        return
    with pytest.raises(SystemExit) as ended:
        parser.parse_args([f"--count={text}"])
    assert ended.value.code == 2
    assert f"argument --count: must be a whole number from -3 to 7, not {text!r}" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "61", "x", ""])
def test_seconds_have_a_range(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="p")
    parser.add_argument("--timeout", type=options.seconds(60))
    assert parser.parse_args(["--timeout=0.5"]).timeout == 0.5
    with pytest.raises(SystemExit):
        parser.parse_args([f"--timeout={text}"])
    assert f"must be seconds above 0 and at most 60, not {text!r}" in capsys.readouterr().err
    parser.add_argument("--warm-up", type=options.seconds(60, zero=True))
    assert parser.parse_args(["--warm-up=0"]).warm_up == 0


def test_no_option_of_a_command_reads_a_number_without_a_range() -> None:
    """argparse's own `int` and `float` take nan, -1 and 10 to the 30, which end in odd ways later."""

    def plain(parser: Parser) -> list[str]:
        own = [f"{parser.prog} {action.option_strings}" for action in parser.options() if action.type in (int, float)]
        return own + [name for _, below in parser.children() for name in plain(below)]

    assert plain(main.parser()) == []
