"""The event loop of the engine: uvloop, with one fault of it mended."""

from __future__ import annotations

import socket
from typing import Any

import uvloop


def new_event_loop() -> Loop:
    return Loop()


class Loop(uvloop.Loop):
    async def create_connection(self, *args: Any, sock: socket.socket | None = None, **kwargs: Any) -> Any:
        """Like uvloop's. A `sock` whose connection failed is detached: the loop has closed its descriptor.

        uvloop 0.23 (read 2026-11-30) forgets this when the peer resets the connection before the handshake has begun:
        it closes the descriptor before it takes the socket over. When the socket object is collected later, it would
        close the number once more, which may then be the connection of another call.
        """
        try:
            return await super().create_connection(*args, sock=sock, **kwargs)
        except BaseException:
            if sock is not None:
                sock.detach()
            raise
