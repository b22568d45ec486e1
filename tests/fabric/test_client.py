"""The daemon's side of the helper's socket: it comes back after a restart, and says what is wrong."""

import pytest
import trio

from edged.fabric.client import FabricClient
from edged.fabric.errors import FabricError
from edged.fabric.interfaces import LocalInterface
from tests.fabric.test_server import Helper

A = LocalInterface(42, "10.0.0.5").to_json()


class Scripted:
    """A helper that answers each line with the next of `answers`. None: it ends the connection, as after an answer
    that is cut off; ...: it says nothing."""

    def __init__(self, folder, *answers):
        self.path = str(folder / "scripted.sock")
        self._answers = list(answers)
        self.requests = []

    async def run(self, test):
        listener = trio.socket.socket(trio.socket.AF_UNIX)
        await listener.bind(self.path)
        listener.listen()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, self._serve, [trio.SocketListener(listener)])
            with trio.fail_after(30):
                await test()
            nursery.cancel_scope.cancel()

    async def _serve(self, stream):
        async with stream:
            while chunk := await stream.receive_some(1 << 16):
                self.requests.append(chunk)
                answer = self._answers.pop(0)
                if answer is None:
                    return
                if answer is ...:
                    await trio.sleep_forever()
                await stream.send_all(answer)
                if not answer.endswith(b"\n"):
                    return


def failing(path, op="Name", args=None, **how):
    async def run():
        client = FabricClient(path, **how)
        with pytest.raises(FabricError) as failed:
            await client.call(op, args or {})
        await client.aclose()
        return failed.value.code, str(failed.value)

    return run


def test_operations_and_errors_are_the_helper_s(tmp_path):
    helper = Helper(tmp_path)

    async def test():
        client = FabricClient(helper.path)
        assert await client.call("CreateLocalIfc", A) == {"created": True}
        assert await client.call("ListLocalIfcs", {}) == {"items": [A]}
        with pytest.raises(FabricError, match=r"^args\.name: is missing$") as refused:
            await client.call("CreateLocalIfc", {})
        assert refused.value.code == "INVALID"
        await client.aclose()
        assert await client.call("DeleteLocalIfc", A) == {"deleted": True}
        await client.aclose()

    trio.run(helper.run, test)


def test_after_a_restart_of_the_helper_it_goes_on(tmp_path):
    helper = Helper(tmp_path)
    client = FabricClient(helper.path)

    async def test():
        await client.call("CreateLocalIfc", A)

    async def again():
        assert await client.call("ListLocalIfcs", {}) == {"items": [A]}
        await client.aclose()

    async def both():
        await helper.run(test)
        await helper.run(again)

    trio.run(both)


def test_without_a_helper_it_says_what_to_look_at(tmp_path):
    path = str(tmp_path / "none.sock")
    code, said = trio.run(failing(path))
    assert code == "UNAVAILABLE"
    assert said == (f"the fabric's helper cannot be reached at {path}: No such file or directory: is "
                    "edged-fabric.service running?")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"{\n", "answer of the fabric's helper at "),
        (b'{"error":{"code":"WRONG"}}\n', "answered an object"),
        (b"[1]\n", "answered a list"),
        (b'{"result"', "ended the connection in the middle"),
        (None, "ended the connection in the middle"),
    ],
)
def test_an_answer_that_is_none(tmp_path, answer, said):
    helper = Scripted(tmp_path, answer, None)

    async def test():
        code, message = await failing(helper.path)()
        assert code == "UNAVAILABLE" and said in message

    trio.run(helper.run, test)


def test_an_answer_that_comes_too_late_is_nobody_s(tmp_path):
    helper = Scripted(tmp_path, ..., b'{"result":{"name":"second"}}\n')

    async def test():
        client = FabricClient(helper.path, timeout_s=0.05)
        with pytest.raises(FabricError, match=r"did not answer 'Name' within 0\.05 s$") as late:
            await client.call("Name", {})
        assert late.value.code == "UNAVAILABLE"
        assert await client.call("Name", {}) == {"name": "second"}
        await client.aclose()

    trio.run(helper.run, test)


def test_arguments_that_have_no_json_form_are_the_asker_s(tmp_path):
    assert trio.run(failing(str(tmp_path), args={"x": {1}}))[0] == "INVALID"
