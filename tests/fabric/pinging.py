"""Pings an IPv4 address until its standard input ends: a line `ok` or `lost` for each try, one every 10 ms.

A program of its own, because it runs in another network namespace:

    ip netns exec NAME python tests/fabric/pinging.py ADDRESS [TRIES]
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
import time

PATIENCE_S = 1.0


def echo_request(identifier: int, number: int) -> bytes:
    """An ICMP echo request (RFC 792) with its checksum."""
    head = struct.pack("!BBHHH", 8, 0, 0, identifier, number)
    total = sum(struct.unpack("!4H", head))
    total = (total >> 16) + (total & 0xFFFF)
    return struct.pack("!BBHHH", 8, 0, ~total & 0xFFFF, identifier, number)


def answered(pinger: socket.socket, address: str, number: int) -> bool:
    """Whether the address answers request `number` in time."""
    identifier = os.getpid() & 0xFFFF
    end = time.monotonic() + PATIENCE_S
    try:
        pinger.sendto(echo_request(identifier, number), (address, 0))
        while (left := end - time.monotonic()) > 0:
            pinger.settimeout(left)
            packet, (sender, _) = pinger.recvfrom(2048)
            begin = (packet[0] & 15) * 4
            kind, _, _, found, got = struct.unpack("!BBHHH", packet[begin : begin + 8])
            if (kind, found, got, sender) == (0, identifier, number, address):
                return True
    except OSError:
        return False
    return False


def main(address: str, tries: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as pinger:
        number = 0
        while not tries or number < tries:
            number += 1
            print("ok" if answered(pinger, address, number & 0xFFFF) else "lost", flush=True)
            if not tries and select.select([sys.stdin], [], [], 0.01)[0]:
                return


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
