"""The gateway of a scenario, and the wire to it that can be cut.

Owns: the gateway process, the listening socket in front of it and its connections. Lives on: threads of its own. Must not
import: anything but the standard library.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit


class Wire:
    """A gateway in development mode with these options, reached through `url`."""

    def __init__(self, program: Path, options: list[str]) -> None:
        self._program = program
        self._options = options
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._gateway, self._target = self._start()
        self._listener: socket.socket | None = None
        # Keeps the port while nobody listens there, so that nobody else gets it.
        self._kept: socket.socket | None = None
        self._port = 0
        self.connect()
        self.url = f"http://127.0.0.1:{self._port}"

    def _start(self) -> tuple[subprocess.Popen[str], tuple[str, int]]:
        command = [str(self._program), "--dev", "--listen", "127.0.0.1:0", *self._options]
        gateway = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert gateway.stdout is not None
        line = gateway.stdout.readline()
        address = urlsplit(line.rsplit(" ", 1)[-1].strip())
        if address.hostname is None or address.port is None:
            gateway.kill()
            raise RuntimeError(f"the gateway does not start: {line!r}")
        return gateway, (address.hostname, address.port)

    def connect(self) -> None:
        """Mends the wire."""
        listener = self._kept or self._bound()
        listener.listen(64)
        self._kept, self._listener, self._port = None, listener, listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _bound(self) -> socket.socket:
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deadline = time.monotonic() + 5
        while True:
            try:
                bound.bind(("127.0.0.1", self._port))
                return bound
            except OSError:
                # The thread that accepted has not let go of the port yet.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.001)

    def cut(self) -> None:
        """Cuts the wire: who talks to the gateway is hung up on, and nobody gets through."""
        if self._listener is not None:
            # A thread that waits in accept keeps the port; shutdown wakes it.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
            self._kept = self._bound()
        with self._lock:
            for end in self._open:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def restart(self) -> None:
        """Another gateway, which knows nothing of the sessions of the one before, takes its place."""
        old = self._gateway
        self._gateway, self._target = self._start()
        old.kill()
        old.wait()

    def close(self) -> None:
        """Ends the gateway."""
        self.cut()
        if self._kept is not None:
            self._kept.close()
        self._gateway.kill()
        self._gateway.wait()
        if self._gateway.stdout is not None:
            self._gateway.stdout.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._target, timeout=5)
                far.settimeout(None)
            except OSError:
                near.close()
                continue
            left = [2]
            with self._lock:
                self._open |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink, left), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, left: list[int]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
        with self._lock:
            left[0] -= 1
            if left[0] == 0:
                self._open -= {source, sink}
                source.close()
                sink.close()
