"""HTTP extenders against a real server on loopback, in the clear and over TLS."""

from __future__ import annotations

import base64
import datetime
import http.server
import ipaddress
import json
import os
import ssl
import threading
from contextlib import contextmanager
from random import Random

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edged.errors import ConfigError, PeerError
from edged.scheduling.config.config_sections import parse_extenders
from edged.scheduling.core.cycle import Algorithm, OfflineHandle, offline
from edged.scheduling.core.framework import CycleState
from edged.scheduling.core.nominator import Nominator
from edged.scheduling.core.preemption import Candidate
from edged.scheduling.core.profile import default_profile
from edged.scheduling.run.extender_requests import HttpExtender
from tests.hostile_values import texts
from tests.scheduling.makers import node, pod
from tests.scheduling.run.test_extender_loop import Answer, Extended, FakeExtender
from tests.scheduling.run.test_scheduler_loop import play, settle


class Server:
    """Answers `answers[verb]`: a value, a function of the request's body, or an HTTP status; keeps requests."""

    def __init__(self, context=None):
        self.answers = {}
        self.requests = []
        self.release = threading.Event()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                verb = self.path.rpartition("/")[2]
                server.requests.append((self.path, body))
                answer = server.answers.get(verb, 404)
                answer = answer(body) if callable(answer) else answer
                if isinstance(answer, str):  # another verb
                    self.send_response(307)
                    self.send_header("Location", answer)
                    answer = None
                else:
                    self.send_response(answer if isinstance(answer, int) else 200)
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}/scheduler"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


NODES = [node("a"), node("b"), node("c")]
PODS = [pod("low", node="a")]


class World:
    def __init__(self, server, nodes=NODES, pods=PODS, **entry):
        self.entry = {"urlPrefix": server.url, **entry}
        _, self.parser, self.snapshot = offline(nodes, pods)
        self.handle = OfflineHandle(self.snapshot)

    @contextmanager
    def extender(self, **more):
        made = HttpExtender(parse_extenders([{**self.entry, **more}])[0], self.handle)
        yield made

    async def cycle(self, extenders, incoming=None):
        algorithm = Algorithm(self.snapshot, Nominator(), lambda n: 0)
        algorithm.extenders = extenders
        incoming = self.parser.parse(incoming or pod("p"))
        return await algorithm.schedule(default_profile("edged", self.handle), CycleState(), incoming)


def run(test, **entry):
    with Server() as server:
        world = World(server, **entry)

        async def main():
            extender = HttpExtender(parse_extenders([world.entry])[0], world.handle)
            try:
                with trio.fail_after(20):
                    await test(server, world, extender)
            finally:
                await extender.aclose()

        trio.run(main)


def test_filter_and_prioritize_join_the_cycle():
    async def test(server, world, extender):
        server.answers["filter"] = {
            "NodeNames": ["b", "c"],
            "FailedNodes": {"a": "no camera"},
            "Error": "",
        }
        server.answers["prioritize"] = [{"Host": "b", "Score": 1}, {"Host": "c", "Score": 10}]
        result = await world.cycle([extender])
        assert result.node_name == "c"
        assert result.feasible_names() == ["b", "c"]
        assert result.status("a").reasons == ("no camera",)
        assert result.final_scores()[extender.name] == {"b": 20, "c": 200}
        path, body = server.requests[0]
        assert path == "/scheduler/filter"
        assert (body["NodeNames"], body["Nodes"]) == (["a", "b", "c"], None)
        assert body["Pod"]["metadata"]["name"] == "p"

    run(test, filterVerb="filter", prioritizeVerb="prioritize", weight=2, nodeCacheCapable=True)


def test_an_extender_without_a_cache_gets_whole_nodes():
    async def test(server, world, extender):
        server.answers["filter"] = lambda body: {
            "Nodes": {"items": [n for n in body["Nodes"]["items"] if n["metadata"]["name"] != "b"]},
            "FailedAndUnresolvableNodes": {"b": "never"},
            "FailedNodes": {"b": "not now"},
        }
        result = await world.cycle([extender])
        assert result.feasible_names() == ["a", "c"]
        assert (result.status("b").code, result.status("b").reasons) == (3, ("never",))
        assert server.requests[0][1]["Nodes"]["items"][0]["status"]["allocatable"]["cpu"] == "4"

    run(test, filterVerb="filter")


def test_who_is_left_with_no_node_is_told_why_and_waits_for_anything():
    async def test(server, world, extender):
        server.answers["filter"] = {"NodeNames": [], "FailedNodes": {"a": "full", "b": "full"}}
        result = await world.cycle([extender])
        assert result.message() == "0/3 nodes are available: 2 full."
        assert result.rejectors() == (frozenset({"Extender"}), frozenset())

    run(test, filterVerb="filter", nodeCacheCapable=True)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"Error": "camera database is down"}, r"^extender http://\S+: camera database is down$"),
        (500, "failed filter with extender at URL"),
        (b"<html>", "the answer is not JSON"),
        ([1], "another shape than the protocol's: the answer: must be an object"),
        ({"error": "camera database is down"}, "camera database is down"),
        ({"nodenames": ["a"], "ERROR": "no"}, "no"),
        ({"NodeNames": ["a"], "Error": 5}, "another shape than the protocol's: Error: must be text, not 5"),
        ({"NodeNames": 7}, "another shape"),
        ({"NodeNames": [{}]}, "another shape"),
        ({"Nodes": {"items": [{"metadata": {}}]}}, 'claims a filtered node "" which is not found'),
        ({"Nodes": ["a"]}, "another shape"),
        ({"NodeNames": ["a"], "FailedNodes": ["b"]}, "another shape"),
        ({"NodeNames": ["elsewhere"]}, 'claims a filtered node "elsewhere" which is not found in the input node list'),
    ],
)
def test_a_failing_extender_fails_the_cycle_unless_it_is_ignorable(answer, said):
    async def test(server, world, extender):
        server.answers["filter"] = answer
        with pytest.raises(PeerError, match=said):
            await world.cycle([extender])
        extender.ignorable = True
        assert len((await world.cycle([extender])).feasible) == 3

    run(test, filterVerb="filter", nodeCacheCapable=True)


def test_an_extender_may_send_us_elsewhere():
    async def test(server, world, extender):
        server.answers |= {"filter": "there", "there": {"NodeNames": ["b"]}}
        assert (await world.cycle([extender])).node_name == "b"
        assert [body["NodeNames"] for _, body in server.requests] == [["a", "b", "c"]] * 2
        server.answers["there"] = "there"
        with pytest.raises(PeerError, match="redirects"):
            await world.cycle([extender])

    run(test, filterVerb="filter", nodeCacheCapable=True)


def test_no_request_is_sent_to_what_is_no_url():
    async def test(server, world, extender):
        with world.extender(urlPrefix="ftp://x") as nobody:
            with pytest.raises(PeerError, match="its urlPrefix is no http or https URL"):
                await world.cycle([nobody])
            await nobody.aclose()

    run(test, filterVerb="filter")


def test_an_extender_that_is_away_or_silent():
    async def test(server, world, extender):
        server.answers["filter"] = lambda body: server.release.wait(10) and {}
        with pytest.raises(PeerError, match=r"no answer within 0\.2 s"):
            await world.cycle([extender])
        server.release.set()
        with world.extender(urlPrefix="http://127.0.0.1:1/x") as nobody:
            with pytest.raises(PeerError, match=r"extender http://127\.0\.0\.1:1/x/filter: Connection refused"):
                await world.cycle([nobody])
            await nobody.aclose()

    run(test, filterVerb="filter", httpTimeout="200ms")


def test_scores_that_cannot_be_had_are_done_without():
    async def test(server, world, extender):
        whole = [{"Host": "a", "Score": score} for score in (1.0, "1", True, 1 << 63)]
        for answer in (500, {"Host": "a"}, {"error": "no"}, b"x", b"", *([each] for each in whole)):
            server.answers["prioritize"] = answer
            result = await world.cycle([extender])
            assert extender.name not in result.scores
            assert result.node_name

    run(test, prioritizeVerb="prioritize", weight=1)


def test_only_pods_that_ask_for_its_resources_concern_it():
    async def test(server, world, extender):
        server.answers["filter"] = {"NodeNames": []}
        plain = world.parser.parse(pod("p"))
        assert not extender.judges(plain)
        assert len((await world.cycle([extender])).feasible) == 3
        assert server.requests == []
        asking = pod("q", requests={"example.com/gpu": "1"})
        _, parser, _ = offline([], [asking])
        assert extender.judges(parser.parse(asking))

    run(test, filterVerb="filter", managedResources=[{"name": "example.com/gpu"}])


def candidates(world):
    victim = world.snapshot.get("a").pods["uid-low"]
    return [Candidate("a", (victim,), 0), Candidate("b", (victim,), 1)]


@pytest.mark.parametrize("cached", [True, False])
def test_preemption(cached):
    async def test(server, world, extender):
        server.answers["preempt"] = {
            "NodeNameToMetaVictims": {"a": {"Pods": [{"UID": "uid-low"}], "NumPDBViolations": 3}}
        }
        found = await extender.preempt(world.parser.parse(pod("p")), candidates(world))
        assert [(c.node_name, [v.uid for v in c.victims], c.violations) for c in found] == [("a", ["uid-low"], 3)]
        body = server.requests[0][1]
        if cached:
            assert body["NodeNameToMetaVictims"]["b"] == {"Pods": [{"UID": "uid-low"}], "NumPDBViolations": 1}
        else:
            assert body["NodeNameToVictims"]["a"]["Pods"][0]["metadata"]["name"] == "low"
        server.answers["preempt"] = {"NodeNameToMetaVictims": {"a": {"Pods": [{"UID": "other"}]}}}
        with pytest.raises(PeerError, match=r"claims to preempt pod \(UID: other\) on node: a"):
            await extender.preempt(world.parser.parse(pod("p")), candidates(world))
        server.answers["preempt"] = {"nodenametometavictims": {"a": {"pods": [{"uid": "uid-low"}]}}}
        found = await extender.preempt(world.parser.parse(pod("p")), candidates(world))
        assert [(c.node_name, [v.uid for v in c.victims], c.violations) for c in found] == [("a", ["uid-low"], 0)]
        for nothing in (None, {"Pods": [None]}):
            server.answers["preempt"] = {"NodeNameToMetaVictims": {"a": nothing}}
            with pytest.raises(PeerError, match="victims must not be null"):
                await extender.preempt(world.parser.parse(pod("p")), candidates(world))
        many = {"Pods": [{"UID": "uid-low"}], "NumPDBViolations": "many"}
        one, number, unhashable = {"Pods": [1]}, {"Pods": 1}, {"Pods": [{"UID": {}}]}
        for shape in ({"a": [1]}, {"a": one}, {"a": number}, ["a"], {"a": unhashable}, {"a": many}):
            server.answers["preempt"] = {"NodeNameToMetaVictims": shape}
            with pytest.raises(PeerError, match="another shape"):
                await extender.preempt(world.parser.parse(pod("p")), candidates(world))

    run(test, preemptVerb="preempt", nodeCacheCapable=cached)


def test_bind():
    async def test(server, world, extender):
        server.answers["bind"] = {}
        await extender.bind(world.parser.parse(pod("p")), "b")
        assert server.requests[0][1] == {
            "PodName": "p", "PodNamespace": "default", "PodUID": "uid-p", "Node": "b",
        }  # fmt: skip
        server.answers["bind"] = {"error": "not now"}
        with pytest.raises(PeerError, match="not now"):
            await extender.bind(world.parser.parse(pod("p")), "b")
        server.answers["bind"] = {"Error": "gone"}
        with pytest.raises(PeerError, match=r"^extender http://\S+: gone$"):
            await extender.bind(world.parser.parse(pod("p")), "b")

    run(test, bindVerb="bind")


def test_what_cycles_wait_for_it_is_known_and_bindings_hold_up_no_cycle():
    async def test(server, world, extender):
        incoming, before = world.parser.parse(pod("p")), 0.0
        for ask in (
            lambda: extender.filter(incoming, world.snapshot.nodes),
            lambda: extender.prioritize(incoming, world.snapshot.nodes),
            lambda: extender.preempt(incoming, []),
        ):
            with pytest.raises(PeerError, match="code 404"):
                await ask()
            assert extender.waited_s > before
            before = extender.waited_s
        with pytest.raises(PeerError, match="code 404"):
            await extender.bind(incoming, "b")
        assert extender.waited_s == before

    run(test, filterVerb="f", prioritizeVerb="p", weight=1, preemptVerb="e", bindVerb="b")


# --- whatever it answers


def filter_answer(cached):
    names = {"NodeNames": ["b"]} if cached else {"Nodes": {"items": [node("b")]}}
    return {**names, "FailedNodes": {"a": "no camera"}, "FailedAndUnresolvableNodes": {"c": "never"}, "Error": ""}


def preempt_answer(_cached):
    return {"NodeNameToMetaVictims": {"a": {"Pods": [{"UID": "uid-low"}], "NumPDBViolations": 0}}}


def scores_answer(_cached):
    return [{"Host": "a", "Score": 3}, {"Host": "b", "Score": 5}]


def bind_answer(_cached):
    return {"Error": ""}


class Canned(HttpExtender):
    """Gets `answer` in place of what a server would send."""

    answer = None

    async def _send(self, verb, body):
        await trio.lowlevel.checkpoint()
        return self.answer


ANSWERS = {"filter": filter_answer, "prioritize": scores_answer, "preempt": preempt_answer, "bind": bind_answer}


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("verb", ANSWERS)
def test_a_hostile_answer_is_one_error_in_few_words(verb, cached):
    _, parser, snapshot = offline(NODES, PODS)
    verbs = {f"{each}Verb": each for each in ANSWERS}
    entry = {"urlPrefix": "http://extender", "nodeCacheCapable": cached, "weight": 1, **verbs}
    extender = Canned(parse_extenders([entry])[0], OfflineHandle(snapshot))
    incoming = parser.parse(pod("p"))
    victims = [Candidate("a", tuple(snapshot.get("a").pods.values()), 0)]
    questions = {
        "filter": lambda: extender.filter(incoming, snapshot.nodes),
        "prioritize": lambda: extender.prioritize(incoming, snapshot.nodes),
        "preempt": lambda: extender.preempt(incoming, victims),
        "bind": lambda: extender.bind(incoming, "a"),
    }

    async def main():
        refused = 0
        for _, text in texts(ANSWERS[verb](cached), Random(4), each=6):
            extender.answer = text
            try:
                found = await questions[verb]()
            except PeerError as error:
                refused += 1
                assert len(str(error)) < 6000, text[:200]
                assert "extender" in str(error), text[:200]
                continue
            if verb == "filter":
                assert set(found.names) <= {"a", "b", "c"}
                assert all(type(said) is str for said in (*found.failed.values(), *found.unresolvable.values()))
            elif verb == "prioritize":
                assert all(-(2**63) <= score < 2**63 for score in found.values()), text[:200]
        assert refused > 10

    trio.run(main)


def test_what_an_extender_says_of_nodes_is_cut_in_conditions_and_the_log():
    nodes = [f"n{number}" for number in range(300)]

    def turn_down(pod, names):
        return Answer([], {name: name + "x" * 100_000 for name in names})

    world = Extended([node(name) for name in nodes], [pod("p")], FakeExtender(filter=turn_down))
    play(world, settle)
    message = world.condition("p")["message"]
    assert message.startswith("0/300 nodes are available: 1 n0x") and message.endswith(" ...")
    assert len(message.encode()) <= 32 << 10
    assert max(map(len, world.lines)) < 40_000
    assert all(len(event["note"]) <= 1024 for event in world.writes.events)


def test_the_reasons_that_are_remembered_have_a_bound():
    nodes = [f"n{number}" for number in range(300)]

    def turn_down(pod, names):
        return Answer([], {name: name + "x" * 4000 for name in names})

    world = Extended([node(name) for name in nodes], [pod(f"p{each}") for each in range(50)],
                     FakeExtender(filter=turn_down))  # fmt: skip
    play(world, settle)
    assert 0 < len(world.scheduler.state.records) < 10  # each has 1.2 MB of reasons


# --- TLS


def certificate(tmp_path):
    """(certificate and key in one file, the certificate as PEM), for 127.0.0.1 and extender.local."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "extender")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName(
        [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("extender.local")]
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path / "server.pem"
    file.write_bytes(pem + private)
    return file, pem, private


def over_tls(tmp_path, tls, *, https=True, wants_client=False):
    """What comes of a filter request over TLS: the names, or the error."""
    file, pem, _ = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    if wants_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=pem.decode())
    with Server(context) as server:
        server.answers["filter"] = {"NodeNames": ["a"]}
        entry = {"filterVerb": "filter", "nodeCacheCapable": True, "enableHTTPS": https, "httpTimeout": "5s"}
        world = World(server, **entry, tlsConfig=tls(pem) if callable(tls) else tls)

        async def main():
            extender = HttpExtender(parse_extenders([world.entry])[0], world.handle)
            try:
                return (await world.cycle([extender])).feasible_names()
            except PeerError as error:
                return str(error)
            finally:
                await extender.aclose()

        return trio.run(main)


def test_tls_with_a_ca(tmp_path):
    def with_ca(pem):
        return {"caData": base64.b64encode(pem).decode()}

    assert over_tls(tmp_path, with_ca) == ["a"]
    assert over_tls(tmp_path, lambda pem: {**with_ca(pem), "serverName": "extender.local"}) == ["a"]
    assert "certificate" in over_tls(tmp_path, lambda pem: {**with_ca(pem), "serverName": "other.local"}).lower()


def test_tls_without_a_ca(tmp_path):
    assert over_tls(tmp_path, None) == ["a"]  # enableHTTPS alone checks nothing, as with kube-scheduler
    assert over_tls(tmp_path, {"insecure": True}, https=False) == ["a"]
    assert "certificate" in over_tls(tmp_path, {}, https=False).lower()


def test_a_client_certificate_from_data_or_files(tmp_path):
    _, pem, private = certificate(tmp_path)
    data = {"certData": base64.b64encode(pem).decode(), "keyData": base64.b64encode(private).decode()}
    (tmp_path / "c.pem").write_bytes(pem)
    (tmp_path / "k.pem").write_bytes(private)
    from_files = {"certFile": str(tmp_path / "c.pem"), "keyFile": str(tmp_path / "k.pem")}
    for tls in (data, from_files):
        entry = parse_extenders([{"urlPrefix": "https://127.0.0.1", "tlsConfig": tls}])[0]
        HttpExtender(entry, None)
    assert "extender https" in str(over_tls(tmp_path, {"insecure": True}, https=False, wants_client=True))


def test_tls_files_that_are_no_use_are_named(tmp_path):
    entry = parse_extenders([{"urlPrefix": "https://x", "tlsConfig": {"caFile": str(tmp_path / "gone")}}])[0]
    with pytest.raises(ConfigError) as caught:
        HttpExtender(entry, None)
    assert str(caught.value) == f"extenders[0].tlsConfig.caFile: {tmp_path}/gone: No such file or directory"


@pytest.mark.parametrize(
    ("names", "where"),
    [
        (["caFile"], "caFile: {}: holds no certificate"),
        (["certFile", "keyFile"], "certFile, keyFile: not a certificate"),
    ],
)
def test_tls_files_that_hold_something_else_are_named(tmp_path, names, where):
    (tmp_path / "text").write_text("no PEM")
    entry = parse_extenders([{"urlPrefix": "https://x", "tlsConfig": dict.fromkeys(names, str(tmp_path / "text"))}])[0]
    with pytest.raises(ConfigError) as caught:
        HttpExtender(entry, None)
    assert str(caught.value).startswith(f"extenders[0].tlsConfig.{where.format(tmp_path / 'text')}")
    assert "_ssl.c" not in str(caught.value)


def test_a_ca_from_a_file_with_more_than_ascii_in_it(tmp_path):
    def with_ca(pem):
        (tmp_path / "ca.pem").write_bytes("# Prüfstelle\n".encode() + pem)
        return {"caFile": str(tmp_path / "ca.pem")}

    assert over_tls(tmp_path, with_ca) == ["a"]


@pytest.mark.parametrize("names", [["caFile"], ["certFile", "keyFile"]])
def test_tls_files_that_are_fifos_are_not_waited_for(tmp_path, names):
    os.mkfifo(tmp_path / "fifo")
    tls = dict.fromkeys(names, str(tmp_path / "fifo"))
    entry = parse_extenders([{"urlPrefix": "https://x", "tlsConfig": tls}])[0]
    with pytest.raises(ConfigError, match=r"extenders\[0\]\.tlsConfig\.(ca|cert)File: .*not a regular file"):
        HttpExtender(entry, None)
