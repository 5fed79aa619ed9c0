"""A client that takes nothing of its answers is dropped after a time."""

import asyncio
import socket
import struct
import sys

_ACKNOWLEDGED = 120  # where tcpi_bytes_acked, of 8 bytes, stands in Linux's tcp_info


class SendTimeout:
    """Looks after a connection's unsent answers until it is stopped.

    A client that reads slowly is kept. Where the system does not count what a client has confirmed
    (only Linux does), it has to take as much as the system holds for it.

    Args:
        transport: the connection.
        seconds: from one look to the next; a client that took nothing meanwhile is dropped.
    """

    def __init__(self, transport: asyncio.Transport, seconds: float) -> None:
        self._transport = transport
        self._seconds = seconds
        self._taken: int | None = None  # by the client until the last look; None: all of it
        self._schedule()

    def stop(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _schedule(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def _look(self) -> None:
        waiting = self._transport.get_write_buffer_size()
        taken = self._acknowledged(-waiting) if waiting else None
        if waiting and taken == self._taken:
            # With a reset: otherwise the system would keep what it has for the client for minutes.
            linger = struct.pack("ii", 1, 0)
            self._socket().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._transport.abort()
            return
        self._taken = taken
        self._schedule()

    def _acknowledged(self, otherwise: int) -> int:
        """The number of bytes that the client's system has confirmed."""
        if not hasattr(socket, "TCP_INFO"):
            return otherwise
        size = _ACKNOWLEDGED + 8
        information = self._socket().getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, size)
        return int.from_bytes(information[_ACKNOWLEDGED:], sys.byteorder)

    def _socket(self) -> socket.socket:
        found: socket.socket = self._transport.get_extra_info("socket")
        return found
