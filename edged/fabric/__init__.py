"""`netfabric`: the host extension by which controllers make the interfaces of virtual networks on their node.

A virtual network is a number, its VNI. Its guests are interfaces with addresses: *local* ones on this node, *remote*
ones on others. `interfaces.py` says what they are and checks what a module asks, `names.py` what their devices are
called, `plan.py` which changes lead from what is there to what is wanted, `picture.py` what a list makes of what is
there. These are pure. `operations.py` is what both back ends are to their callers; `memory.py` is the one for tests.

The other one is Linux. The daemon has no right to change a network, so a process of its own has it: `edged fabric`
(`server.py`, `linux.py`, `netlink.py`), which the daemon asks through a socket (`client.py`).
"""
