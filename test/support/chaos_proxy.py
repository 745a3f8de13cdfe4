"""A TCP proxy that can turn silent or cut its connections, to stand between oxbow and a server.

    with ChaosProxy(cluster.port) as proxy:
        url = cluster.url("legacy", port=proxy.port)
        with proxy.blackhole(): ...     # connections stay open, nothing passes, new ones get no answer
        proxy.cut()                     # every connection is reset
"""

import contextlib
import select
import socket
import struct
import threading


class ChaosProxy:
    def __init__(self, upstream_port):
        self.upstream_port = upstream_port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open = threading.Event()
        self.open.set()
        self.closing = False
        self.lock = threading.Lock()
        self.pairs = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closing = True
        self.open.set()
        self.listener.close()
        self.cut()

    @contextlib.contextmanager
    def blackhole(self):
        self.open.clear()
        try:
            yield
        finally:
            self.open.set()

    def cut(self):
        """Resets all connections, as a crashed host or a firewall does."""
        with self.lock:
            pairs, self.pairs = self.pairs, set()
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RD)  # wakes the thread that serves it
                    end.close()

    def _accept(self):
        while not self.closing:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        self.open.wait()
        try:
            server = socket.create_connection(("127.0.0.1", self.upstream_port))
        except OSError:
            client.close()
            return
        pair = (client, server)
        with self.lock:
            self.pairs.add(pair)
        with contextlib.suppress(OSError, ValueError):  # a closed socket, by cut() or by a peer
            self._pump(client, server)
        with self.lock:
            self.pairs.discard(pair)
        client.close()
        server.close()

    def _pump(self, client, server):
        other = {client: server, server: client}
        while True:
            for end in select.select([client, server], [], [], 0.2)[0]:
                self.open.wait()
                data = end.recv(65536)
                if not data:
                    return
                self.open.wait()
                other[end].sendall(data)
