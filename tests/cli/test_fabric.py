"""`edged fabric`: whom it lets in, and what it says where its library is missing. tests/fabric runs it."""

import sys

import pytest

from edged.cli import fabric
from edged.errors import ConfigError


def test_a_user_is_a_name_or_a_number():
    assert fabric.user_id("root") == 0 and fabric.user_id("4711") == 4711
    with pytest.raises(ConfigError, match=r"^--user nobody-of-that-name: there is no such user$"):
        fabric.user_id("nobody-of-that-name")


def test_without_its_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyroute2", None)
    monkeypatch.delitem(sys.modules, "edged.fabric.netlink", raising=False)
    with pytest.raises(ConfigError, match=r"pip install 'edged\[fabric\]'"):
        fabric._kernel()
