"""Sockets, and where a process stands among the workers of a server."""

import socket
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Place:
    """What a process was given to serve with."""

    listening: socket.socket
    grpc_port: int
    worker: int | None = None  # its number; None for the only process
    late: bool = False  # it replaces a worker that died
    parent: int | None = None  # a pipe that ends with the supervising process

    @property
    def words(self) -> dict[str, Any]:
        """What its log lines say of it."""
        return {} if self.worker is None else {"worker": self.worker}


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A bound socket. An empty host means every address of IPv4 and, where the machine has it, IPv6.

    `shared` lets other sockets of this user have the same port.
    """
    both = not host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both or ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's delay off only for sockets that say they are TCP;
    # with the delay every answer takes 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if both:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listening.bind((host, port))
    return listening
