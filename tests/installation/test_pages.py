"""What pages.py reads out of a page."""

import pytest

from tests.installation.pages import Append, Command, Section, Unclear, sections

PAGE = """\
# A title

```sh
not --in-a-section
```

## 1. First

```sh
# a comment
apt-get update
pip install \\
    here
```

## Later

Append to `/etc/x.toml`:

```toml
a = 1
```

```console
$ kubectl get x
NAME   AGE
x      ...s
$ kubectl run x
Error from server: no
$ true
```
"""


def test_sections_and_what_they_tell_to_do():
    first, later = sections(PAGE)
    assert first == Section("1. First", (Command("apt-get update"), Command("pip install here")))
    assert later.heading == "Later"
    assert later.actions == (
        Append("/etc/x.toml", "a = 1\n"),
        Command("kubectl get x", "NAME   AGE\nx      ...s\n"),
        Command("kubectl run x", "Error from server: no\n"),
        Command("true"),
    )
    assert (first.numbered, later.numbered) == (True, False)


def test_only_what_is_shown_to_fail_may_fail():
    table, error, plain = sections(PAGE)[1].actions[1:]
    assert (table.may_fail, error.may_fail, plain.may_fail) == (False, True, False)


def test_output_is_what_the_page_shows():
    table, error, plain = sections(PAGE)[1].actions[1:]
    assert table.printed("NAME   AGE  \nx      12s")
    assert not table.printed("NAME   AGE\ny      12s")
    assert not table.printed("NAME   AGE\nx      12s\nx      12s\n")
    assert not error.printed("")
    assert plain.printed("anything")
    several = Command("x", "first\n...\nlast\n")
    assert several.printed("first\nlast\n") and several.printed("first\n2\n3\nlast\n")
    assert not several.printed("first\n2\n")


@pytest.mark.parametrize(
    "block",
    [
        "```\nls\n```\n",
        "```yaml\na: 1\n```\n",
        "Write this into `/etc/x.toml`:\n\n```toml\na = 1\n```\n",
        "```console\nno prompt\n```\n",
    ],
)
def test_a_block_that_nobody_could_follow(block):
    with pytest.raises(Unclear):
        sections(f"## A\n\n{block}")
