"""Where the root directories of tests/debian.py come from."""

from tests import debian


def test_debians_mirror_is_the_one_of_this_machine(tmp_path, monkeypatch):
    old = tmp_path / "sources.list"
    old.write_text("# deb https://one.example/debian x main\ndeb [arch=amd64] https://two.example/debian/ x main\n")
    new = tmp_path / "debian.sources"
    new.write_text("Types: deb\nURIs: http://three.example/debian\nSuites: stable\n")
    other = tmp_path / "other.list"
    other.write_text("deb https://four.example/apt stable main\n")
    for path, place in ((old, ("https://two.example/debian",)), (new, ("http://three.example/debian",)), (other, ())):
        monkeypatch.setattr(debian, "SOURCES", (str(path),))
        assert debian.mirror() == place
