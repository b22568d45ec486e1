"""Runs the built image under emulation: `edged version`, and one AdmissionReview answered by the daemon.

    python3.11 arm-build/verify.py [FOLDER]        # default: arm-build/out/image

Unpacks the layers and starts their programs in a user namespace of its own, where binfmt_misc hands aarch64
programs (children included: edged compiles modules in one) to qemu with the CPU of a Raspberry Pi 3, whose
instruction set every 64-bit ARM board has. An image that was only built and never run is how x86 binaries
reach ARM boards.

Needs qemu-user-static, a C compiler (or ziglang in this Python), and Linux 6.7: binfmt_misc in namespaces.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import gzip
import hashlib
import http.client
import io
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

CPU = "cortex-a53"
# Small boards have addresses of 39 bits. qemu keeps a note of every page that is reserved: of what edged reserves
# where there are more, that is more than 20 GB.
ADDRESSES = "512G"
HERE = Path(__file__).resolve().parent
_START_TIMEOUT_S = 900.0
_MAGIC = r":edged-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:"
_MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/.verify/start:"

# binfmt_misc cannot pass options to its interpreter, and the environment does not reach every child.
_START_C = """
#include <unistd.h>
int main(int argc, char **argv) {
    char *arguments[argc + 6];
    int count = 0;
    arguments[count++] = "qemu-aarch64";
    arguments[count++] = "-cpu";
    arguments[count++] = CPU;
    arguments[count++] = "-R";
    arguments[count++] = ADDRESSES;
    for (int i = 1; i < argc; i++) arguments[count++] = argv[i];
    arguments[count] = 0;
    execv("/.verify/qemu", arguments);
    return 126;
}
"""

# qemu's user emulation refuses PR_SET_SECCOMP whatever the kernel has, and edged rightly refuses to compile
# without its filter. On a board the filter is there; here Python is told that it was installed, nothing else.
_SITECUSTOMIZE = """
import ctypes

class CDLL(ctypes.CDLL):
    def __getitem__(self, name):
        function = super().__getitem__(name)
        return without_seccomp(function) if name == "prctl" else function

def without_seccomp(prctl):
    return lambda option, *rest: 0 if option == 22 else prctl(option, *rest)

ctypes.CDLL = CDLL
"""

_CONFIG = """
[node]
name = "verify"
[admission]
listen = "127.0.0.1:{port}"
register = "none"
client_auth = "off"
policy_server = ""
webhook_timeout_s = 30
[engine]
wall_timeout_s = 20.0
cpu_budget_ms = 20000
[[admission.policy]]
name = "no-privileged"
module = "file:///usr/lib/edged/modules/pod-privileged.wasm"
[observability]
listen = ""
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("image", nargs="?", type=Path, default=HERE / "out" / "image")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edged-verify-") as folder:
        root = Path(folder) / "root"
        config = unpack(args.image, root)
        install_emulator(root, Path(folder))
        check_version(root, config)
        check_verdict(root, config)
    print("verified: the image starts, and its daemon denies a privileged Pod")
    return 0


def unpack(image: Path, root: Path) -> dict[str, Any]:
    """Every layer into `root`, digests checked on the way; gives back the image's `config`."""
    index = json.loads((image / "index.json").read_bytes())
    (entry,) = index["manifests"]
    if entry["platform"]["architecture"] != "arm64":
        raise SystemExit(f"the image is for {entry['platform']}")
    manifest = json.loads(blob(image, entry))
    config = json.loads(blob(image, manifest["config"]))
    for layer, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
        tar = gzip.decompress(blob(image, layer))
        if f"sha256:{hashlib.sha256(tar).hexdigest()}" != diff_id:
            raise SystemExit("a layer is not what the image's configuration says")
        with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
            # Python 3.11.2, which Debian 12 has, knows no filters and ignores this. Later ones leave the members alone.
            archive.extraction_filter = lambda member, destination: member
            archive.extractall(root, members=[as_our_own(member) for member in archive])
    return dict(config["config"])


def as_our_own(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Ours, since the namespace has one user and not the image's. A name that leads out of the root is refused."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise SystemExit(f"a layer holds {member.name}, which is outside of the image")
    ours = copy.copy(member)
    ours.uid, ours.gid, ours.uname, ours.gname = os.getuid(), os.getgid(), "", ""
    ours.mode &= 0o755
    return ours


def blob(image: Path, descriptor: dict[str, Any]) -> bytes:
    algorithm, digest = descriptor["digest"].split(":")
    content = (image / "blobs" / algorithm / digest).read_bytes()
    if hashlib.sha256(content).hexdigest() != digest or len(content) != descriptor["size"]:
        raise SystemExit(f"blob {digest} is damaged")
    return content


def install_emulator(root: Path, work: Path) -> None:
    """qemu and the program that starts it with the right CPU, where the namespace finds them."""
    qemu = shutil.which("qemu-aarch64-static")
    if qemu is None:
        raise SystemExit("qemu-aarch64-static is missing (Debian: apt-get install qemu-user-static)")
    (root / ".verify").mkdir()
    shutil.copy(qemu, root / ".verify" / "qemu")
    (root / "usr/lib/python3.11/sitecustomize.py").write_text(_SITECUSTOMIZE)
    source = work / "start.c"
    source.write_text(_START_C)
    program = str(root / ".verify" / "start")
    arguments = ["-static", "-O1", f'-DCPU="{CPU}"', f'-DADDRESSES="{ADDRESSES}"', "-o", program, str(source)]
    for compiler in (["cc"], [sys.executable, "-m", "ziglang", "cc", "--target=x86_64-linux-musl"]):
        if (
            shutil.which(compiler[0])
            and subprocess.run([*compiler, *arguments], capture_output=True).returncode == 0
        ):
            return
    raise SystemExit("no C compiler (Debian: apt-get install gcc libc6-dev, or pip install ziglang)")


def inside(root: Path, command: Sequence[str], environment: Sequence[str]) -> list[str]:
    """The command line that runs `command` in the image, as its own root and with its own binfmt_misc."""
    script = (
        "set -e; root=$1; shift; "
        'mount -t binfmt_misc none "$root/.verify/binfmt"; '
        'printf %s "$BINFMT" > "$root/.verify/binfmt/register"; '
        'mount --rbind /proc "$root/proc"; mount --rbind /dev "$root/dev"; '
        'exec chroot "$root" /.verify/start "$@"'
    )
    (root / ".verify" / "binfmt").mkdir(exist_ok=True)
    program, *arguments = command
    # binfmt_misc sees binaries; the image's program is a script, so its interpreter is named here.
    return [
        "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", f"BINFMT={_MAGIC}{_MASK}", *environment,
        "unshare", "--user", "--map-root-user", "--mount", "--kill-child", "--pid", "--fork",
        "sh", "-c", script, "sh", str(root), "/usr/bin/python3.11", "-I", program, *arguments,
    ]  # fmt: skip


def environment_of(config: dict[str, Any]) -> list[str]:
    return [variable for variable in config["Env"] if not variable.startswith("PATH=")]


def check_version(root: Path, config: dict[str, Any]) -> None:
    """`edged version` runs and every library is there, for the right machine."""
    command = [*config["Entrypoint"], "version", "-o", "json"]
    done = subprocess.run(
        inside(root, command, environment_of(config)), capture_output=True, text=True, timeout=900
    )
    if done.returncode != 0:
        raise SystemExit(f"edged version failed ({done.returncode}):\n{done.stdout}{done.stderr}")
    versions = json.loads(done.stdout)
    print(" ".join(f"{name}={version}" for name, version in versions.items()))
    if versions["machine"] != "aarch64" or "missing" in versions.values():
        raise SystemExit("something is missing or not for aarch64")


def check_verdict(root: Path, config: dict[str, Any]) -> None:
    """The daemon serves, denies a privileged Pod, allows another, and ends on SIGTERM."""
    port = free_port()
    (root / "etc" / "edged").mkdir(parents=True, exist_ok=True)
    (root / "etc" / "edged" / "edged.toml").write_text(_CONFIG.format(port=port))
    with daemon(root, config) as process:
        for privileged in (True, False):
            answer = ask(port, review(privileged))
            response = answer["response"]
            message = response.get("status", {}).get("message", "")
            print(f"privileged={privileged}: allowed={response['allowed']} {message}")
            if response["uid"] != "verify-1" or response["allowed"] is privileged:
                raise SystemExit(f"wrong verdict: {answer}")
        os.killpg(process.pid, signal.SIGTERM)
        if (code := process.wait(timeout=60)) not in (0, -signal.SIGTERM, 128 + signal.SIGTERM):
            raise SystemExit(f"the daemon ended with {code}")


@contextlib.contextmanager
def daemon(root: Path, config: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    """`edged run` as the image starts it, from READY on."""
    notify = root / "run" / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(notify))
        manager.settimeout(2.0)
        environment = [*environment_of(config), "NOTIFY_SOCKET=/run/notify"]
        command = inside(root, [*config["Entrypoint"], *config["Cmd"]], environment)
        process = subprocess.Popen(command, start_new_session=True)
        try:
            wait_ready(manager, process)
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_ready(manager: socket.socket, process: subprocess.Popen[bytes]) -> None:
    for _ in range(int(_START_TIMEOUT_S / 2)):
        with contextlib.suppress(TimeoutError):
            if b"READY=1" in manager.recv(4096).splitlines():
                return
        if process.poll() is not None:
            raise SystemExit(f"the daemon ended with {process.returncode} before it was ready")
    raise SystemExit(f"the daemon was not ready after {_START_TIMEOUT_S:.0f} s")


def review(privileged: bool) -> dict[str, Any]:
    container = {"name": "c", "image": "example.com/c:1", "securityContext": {"privileged": privileged}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
           "spec": {"containers": [container]}}  # fmt: skip
    request = {
        "uid": "verify-1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
        "requestResource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "p", "namespace": "default", "operation": "CREATE",
        "userInfo": {"username": "verify"}, "object": pod, "oldObject": None, "dryRun": False, "options": {},
    }  # fmt: skip
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def ask(port: int, body: dict[str, Any]) -> Any:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # its own CA, made a moment ago
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/validate/no-privileged?timeout=30s", json.dumps(body), headers)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise SystemExit(f"HTTP {answer.status}: {content.decode(errors='replace')}")
    return json.loads(content)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
