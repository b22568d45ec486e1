"""The base of the image: files of a few Debian 12 packages for arm64, fetched and verified by apt.

apt runs in a root of its own (own lists, own empty status, architecture arm64), so the machine's packages are
not touched and no privileges are needed; the archive and its keys are those that the machine is configured
with. Nothing of the packages is executed: no maintainer scripts, no foreign binaries.
Used by build.py.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
from pathlib import Path

from layers import Entry, Root

SUITES = ("bookworm", "bookworm-updates", "bookworm-security")
PACKAGES = (
    "base-files", "ca-certificates", "libbz2-1.0", "libc6", "libcrypt1", "libexpat1", "libffi8", "libgcc-s1",
    "liblzma5", "libpython3.11-minimal", "libpython3.11-stdlib", "libssl3", "libuuid1", "netbase",
    "python3.11-minimal", "tzdata", "zlib1g",
)  # fmt: skip
# Not needed to run: documentation (licences stay), translations, the parts of Python's library that build,
# test, draw or need libraries that are left out.
_LEFT_OUT = re.compile(
    r"usr/share/(man|info|locale|lintian|bug|bash-completion|binfmts|python3?|base-files)(/|$)"
    r"|usr/share/doc/(?!.*/copyright$)"
    r"|usr/share/ca-certificates/(?!mozilla)"
    r"|usr/share/zoneinfo/(?!UTC$|Etc/UTC$|Etc$)"
    r"|usr/lib/[^/]+/gconv/"
    r"|usr/lib/python3\.11/(test|tests|idlelib|lib2to3|ensurepip|distutils|turtledemo|tkinter|pydoc_data"
    r"|unittest|config-3\.11[^/]*|venv|dbm|curses|sqlite3|wsgiref|xmlrpc)(/|$)"
    r"|usr/lib/python3\.11/sitecustomize\.py$"
    r"|usr/lib/python3\.11/lib-dynload/_?(sqlite3|curses|curses_panel|dbm|gdbm|tkinter|nis|readline"
    r"|test[a-z]*|xxlimited[_0-9]*|crypt|ctypes_test)\."
    r"|(etc|usr/sbin|var|usr/share/(applications|pixmaps|menu|debconf))(/|$)"
    r"|usr/bin/(?!python3\.11$|env$)"
)


def fetch(work: Path) -> dict[str, Path]:
    """Package name -> .deb file under `work`, signatures and hashes checked by apt."""
    apt, packages = work / "apt", work / "debs"
    for folder in ("lists/partial", "archives/partial", "sources", "preferences", "conf", "trusted"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    packages.mkdir(exist_ok=True)
    (apt / "status").write_text("")
    _write_sources(apt / "sources")
    config = apt / "apt.conf"
    config.write_text(_configuration(apt))
    _apt(config, "update", cwd=work)
    for stale in packages.glob("*.deb"):
        stale.unlink()
    _apt(config, "download", *PACKAGES, cwd=packages)
    found = {path.name.split("_")[0]: path for path in packages.glob("*_*.deb")}
    if missing := set(PACKAGES) - set(found):
        raise SystemExit(f"apt did not fetch {', '.join(sorted(missing))}")
    return found


def read(packages: dict[str, Path]) -> Root:
    """All files of the packages that the image keeps."""
    root: Root = {}
    for name in sorted(packages):
        tar = subprocess.run(
            ["dpkg-deb", "--fsys-tarfile", packages[name]], check=True, capture_output=True
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
            for member in archive:
                _add(root, archive, member)
    _finish(root)
    return root


def versions(packages: dict[str, Path]) -> dict[str, str]:
    """Package name -> version, from the file names that apt gives."""
    return {name: path.name.split("_")[1].replace("%3a", ":") for name, path in sorted(packages.items())}


def _write_sources(folder: Path) -> None:
    """The machine's own Debian 12 sources, or those of the file that $EDGED_DEBIAN_SOURCES names."""
    given = os.environ.get("EDGED_DEBIAN_SOURCES")
    if given:
        (folder / "given.list").write_text(Path(given).read_text())
        return
    found = False
    apt = Path("/etc/apt")
    parts = (apt / "sources.list.d").glob("*")
    for path in [*(part for part in parts if part.suffix in (".sources", ".list")), apt / "sources.list"]:
        if path.exists() and (text := _debian_parts(path)):
            (folder / path.name).write_text(text)
            found = True
    if not found:
        raise SystemExit(
            "this machine has no Debian 12 (bookworm) package sources: name a file with some in EDGED_DEBIAN_SOURCES, "
            "in the format of /etc/apt/sources.list"
        )


def _debian_parts(path: Path) -> str:
    text = path.read_text()
    if path.suffix == ".sources":
        stanzas = [stanza for stanza in re.split(r"\n\s*\n", text) if _is_ours(_field(stanza, "Suites"))]
        return "\n\n".join(re.sub(r"(?m)^Architectures:.*\n?", "", stanza) for stanza in stanzas)
    lines = [line for line in text.splitlines() if line.startswith("deb ") and _is_ours(_suite_of(line))]
    return "".join(re.sub(r"arch=[^\s\]]+", "", line) + "\n" for line in lines)


def _is_ours(suites: str) -> bool:
    return bool(suites) and set(suites.split()) <= set(SUITES)


def _field(stanza: str, name: str) -> str:
    found = re.search(rf"(?mi)^{name}:(.*)$", stanza)
    return found[1] if found else ""


def _suite_of(line: str) -> str:
    words = re.sub(r"\[[^\]]*\]", "", line).split()
    return words[2] if len(words) > 2 else ""


def _configuration(apt: Path) -> str:
    return f"""\
APT::Architecture "arm64";
APT::Architectures {{ "arm64"; }};
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{apt}/sources";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "{apt}/preferences";
Dir::State "{apt}";
Dir::State::lists "{apt}/lists";
Dir::State::status "{apt}/status";
Dir::Cache "{apt}";
Dir::Cache::archives "{apt}/archives";
"""


def _apt(config: Path, *command: str, cwd: Path) -> None:
    # -c is read after the machine's own configuration (proxies, CAs), so that what is set here wins.
    done = subprocess.run(
        ["apt-get", "-q", "-c", str(config), *command], cwd=cwd, capture_output=True, text=True
    )
    if done.returncode != 0 or "\nW:" in "\n" + done.stderr:
        raise SystemExit(f"apt-get {command[0]} failed:\n{done.stdout[-2000:]}{done.stderr}")


def _add(root: Root, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    path = _merged(member.name.removeprefix("./").rstrip("/"))
    if path in ("", ".") or _LEFT_OUT.match(path):
        return
    if member.isdir():
        return  # parents are added where files need them
    if member.issym():
        root[path] = Entry(mode=0o777, target=_merged_target(path, member.linkname))
    elif member.islnk():
        root[path] = root[_merged(member.linkname.removeprefix("./"))]
    else:
        content = archive.extractfile(member)
        assert content is not None, member.name
        root[path] = Entry(mode=member.mode & 0o755, data=content.read())


def _merged(path: str) -> str:
    """Debian 12 has one /usr; packages still name /lib and /bin."""
    return f"usr/{path}" if path.split("/")[0] in ("lib", "bin", "sbin") else path


def _merged_target(path: str, target: str) -> str:
    return target if not target.startswith("/") else "/" + _merged(target[1:])


def _finish(root: Root) -> None:
    """What maintainer scripts would have done."""
    for name in ("bin", "sbin", "lib"):
        root[name] = Entry(mode=0o777, target=f"usr/{name}")
    for name in ("usr/bin", "usr/sbin", "usr/lib"):
        root.setdefault(name, Entry())
    certificates = sorted(path for path in root if path.startswith("usr/share/ca-certificates/mozilla/"))
    bundle = b"".join((root.pop(path).data or b"").rstrip() + b"\n" for path in certificates)
    if bundle.count(b"BEGIN CERTIFICATE") < 50:
        raise SystemExit("ca-certificates holds hardly any certificates: has its layout changed?")
    root["etc/ssl/certs/ca-certificates.crt"] = Entry(mode=0o644, data=bundle)
    root["usr/bin/python3"] = Entry(mode=0o777, target="python3.11")
    for path, text in _ETC.items():
        root[path] = Entry(mode=0o644, data=text.encode())
    root["etc/localtime"] = Entry(mode=0o777, target="/usr/share/zoneinfo/Etc/UTC")
    root["tmp"] = Entry(mode=0o1777)
    for path in ("proc", "sys", "dev", "run", "var"):
        root.setdefault(path, Entry())


_ETC = {
    "etc/passwd": "root:x:0:0:root:/root:/usr/sbin/nologin\n"
    "edged:x:65532:65532:edged:/var/lib/edged:/usr/sbin/nologin\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nedged:x:65532:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
}
