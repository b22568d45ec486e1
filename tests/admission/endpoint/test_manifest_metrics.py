"""Reading metrics as kube-apiserver 1.37.2 wrote them, and whatever else may come."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.admission.endpoint.manifest_metrics import Loaded, MetricsReader, content_hash, identity_of, is_read
from edged.admission.rules.webhooks import MUTATING, VALIDATING

SERVER = "sha256:73095bbbe8f317654631b5a70d7c53951e472e19c3daa5b71a50958a5e82991b"
HASH = "sha256:79d4faf8a17aa12d483d928b4898bc1495826b0c33d62e114ae66bffa40f1832"
# Of a real one, to which a content was given that it refused.
ANSWER = f"""\
# HELP apiserver_manifest_admission_config_controller_automatic_reload_last_timestamp_seconds [ALPHA] Timestamp.
# TYPE apiserver_manifest_admission_config_controller_automatic_reload_last_timestamp_seconds gauge
apiserver_manifest_admission_config_controller_automatic_reload_last_timestamp_seconds\
{{apiserver_id_hash="{SERVER}",plugin="MutatingAdmissionWebhook",status="success"}} 1.7959792621010933e+09
apiserver_manifest_admission_config_controller_automatic_reload_last_timestamp_seconds\
{{apiserver_id_hash="{SERVER}",plugin="ValidatingAdmissionWebhook",status="failure"}} 1.7959792686645966e+09
apiserver_manifest_admission_config_controller_automatic_reload_last_timestamp_seconds\
{{apiserver_id_hash="{SERVER}",plugin="ValidatingAdmissionWebhook",status="success"}} 1.7959792654711447e+09
apiserver_manifest_admission_config_controller_last_config_info\
{{apiserver_id_hash="{SERVER}",hash="",plugin="MutatingAdmissionWebhook"}} 1
apiserver_manifest_admission_config_controller_last_config_info\
{{apiserver_id_hash="{SERVER}",hash="{HASH}",plugin="ValidatingAdmissionWebhook"}} 1
apiserver_manifest_admission_config_controller_last_config_info\
{{apiserver_id_hash="{SERVER}",hash="sha256:1",plugin="ValidatingAdmissionPolicy"}} 1
process_start_time_seconds 1.7e+09
"""


def read(text: str) -> dict[str, Loaded]:
    reader = MetricsReader()
    for line in text.encode().split(b"\n"):
        reader.line(line)
    return reader.loaded()


def test_a_real_answer() -> None:
    assert read(ANSWER) == {
        VALIDATING: Loaded(SERVER, HASH, 1.7959792686645966e09),
        MUTATING: Loaded(SERVER, ""),
    }


def test_a_reload_that_succeeded_after_a_failure_is_no_refusal() -> None:
    assert read(ANSWER.replace("1.7959792654711447e+09", "1.7959792754711447e+09"))[VALIDATING].refused_at is None


def test_an_api_server_that_reads_no_folders() -> None:
    assert read("process_start_time_seconds 1.7e+09\n") == {}
    assert read(ANSWER.replace(SERVER, "")) == {}  # without the feature APIServerIdentity it tells nothing apart


@pytest.mark.parametrize("value", ["", "NaN", "x", "1.5 1700000000", "1e400", "-1"])
def test_odd_values_cost_nothing_else(value: str) -> None:
    assert read(ANSWER.replace("1.7959792686645966e+09", value))[MUTATING] == Loaded(SERVER, "")


@given(st.binary(), st.sampled_from([b"last_config_info", b"automatic_reload_last_timestamp_seconds"]))
def test_no_line_is_an_error(data: bytes, name: bytes) -> None:
    reader = MetricsReader()
    prefix = b"apiserver_manifest_admission_config_controller_" + name
    for line in (data, prefix + data, prefix + b"{" + data, prefix + b'{plugin="MutatingAdmissionWebhook",' + data):
        reader.line(line)
    reader.loaded()


@given(st.lists(st.binary()))
def test_the_hash_is_that_of_the_api_server(contents: list[bytes]) -> None:
    joined = b"".join(data + b"\0" for data in contents if data)
    assert content_hash(contents) == (f"sha256:{hashlib.sha256(joined).hexdigest()}" if joined else "")


def test_names_of_files_that_are_read() -> None:
    assert all(is_read(name) for name in ("a.json", "A.JSON", ".yml", "a.yaml"))
    assert not any(is_read(name) for name in ("a.json.tmp", "json", "a.", "", ".edged.json.5.tmp"))


def test_the_identity_of_an_api_server() -> None:
    assert identity_of("vm") == SERVER  # the host that the answer above is from
    assert identity_of("vm2") != SERVER
