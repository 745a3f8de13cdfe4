"""An HTTP service whose every byte a test decides, and a client that speaks in bytes as well."""

import contextlib
import socket
import ssl
import threading


class Request:
    """What the service has read of one request: its head as bytes, its fields, and its body taken out of chunks."""

    def __init__(self, head, body):
        self.head = head
        self.body = body
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = lines[0].split(" ")
        self.fields = [tuple(line.split(": ", 1)) for line in lines[1:] if line]

    def field(self, name):
        return next((value for key, value in self.fields if key.lower() == name.lower()), None)

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]


def read_until(connection, buffer, end):
    while end not in buffer:
        data = connection.recv(65536)
        if not data:
            raise EOFError
        buffer += data
    head, _, rest = bytes(buffer).partition(end)
    del buffer[:]
    buffer += rest
    return head


def read_exactly(connection, buffer, count):
    while len(buffer) < count:
        data = connection.recv(65536)
        if not data:
            raise EOFError
        buffer += data
    taken = bytes(buffer[:count])
    del buffer[:count]
    return taken


def read_body(connection, buffer, head):
    fields = {line.split(b":", 1)[0].lower(): line.split(b":", 1)[1].strip() for line in head.split(b"\r\n")[1:] if line}
    if fields.get(b"transfer-encoding", b"").lower() == b"chunked":
        body = b""
        while size := int(read_until(connection, buffer, b"\r\n").split(b";")[0], 16):
            body += read_exactly(connection, buffer, size)
            assert read_exactly(connection, buffer, 2) == b"\r\n"
        while read_until(connection, buffer, b"\r\n"):
            pass
        return body
    return read_exactly(connection, buffer, int(fields.get(b"content-length", 0)))


def json_answer(text, status="200 OK", fields=""):
    body = text.encode()
    return f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body


class ScriptedService:
    """`answer(request, connection)` returns the bytes of an answer, or None after it has done what it wants with the
    connection itself, which is closed then. With `reads_body=False` it reads the body itself, behind what of it came
    with the head. The requests it has seen are in `requests`. With an `identity`, two files, it speaks TLS."""

    def __init__(self, answer=lambda request, connection: json_answer("{}"), path=None, reads_body=True, identity=None):
        self.answer = answer
        self._tls = None
        if identity:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*identity)
            self._tls.sni_callback = lambda _, name, __: self.names.append(name)
        self.names = []  # that clients asked for
        self.reads_body = reads_body
        self.requests = []
        self.connections = 0
        self.failures = []
        self._open = set()
        self._socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(path or ("127.0.0.1", 0))
        self._socket.listen(256)
        self.url = f"unix:{path}" if path else f"http{'s' if identity else ''}://127.0.0.1:{self._socket.getsockname()[1]}"
        self.port = None if path else self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        assert not self.failures, self.failures

    def close(self):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        buffer = bytearray()
        if self._tls:
            try:
                connection = self._tls.wrap_socket(connection, server_side=True)
            except OSError:  # the other side did not like what it was shown
                connection.close()
                return
        self._open.add(connection)
        with connection, contextlib.suppress(EOFError, ConnectionError, BrokenPipeError):
            while True:
                head = read_until(connection, buffer, b"\r\n\r\n")
                if self.reads_body:
                    body = read_body(connection, buffer, head)
                else:
                    body = bytes(buffer)
                    buffer.clear()
                request = Request(head, body)
                self.requests.append(request)
                try:
                    answer = self.answer(request, connection)
                except (ConnectionError, EOFError):
                    raise
                except Exception as failure:  # a mistake in a test must not look like an answer
                    self.failures.append(repr(failure))
                    raise EOFError from failure
                if answer is None:
                    break
                connection.sendall(answer)
        self._open.discard(connection)


class Answer:
    def __init__(self, head, body, is_whole):
        self.head = head
        self.body = body
        self.is_whole = is_whole
        self.status = int(head.split(b" ", 2)[1]) if head else 0
        self.fields = [tuple(line.decode("latin-1").split(": ", 1)) for line in head.split(b"\r\n")[1:] if line]

    def field(self, name):
        return next((value for key, value in self.fields if key.lower() == name.lower()), None)


class RawClient:
    """A connection to the gateway on which a test says exactly what it wants."""

    def __init__(self, port, timeout=20, tls=None, name="localhost"):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=name)
        self.buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)
        return self

    def end_of_input(self):
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def read_rest(self):
        with contextlib.suppress(ConnectionError):
            while data := self.socket.recv(65536):
                self.buffer += data
        return bytes(self.buffer)

    def answer(self, method="GET"):
        """The next answer. Not whole if the connection ended inside it; status 0 if it ended before it."""
        try:
            head = read_until(self.socket, self.buffer, b"\r\n\r\n")
        except (EOFError, ConnectionError):
            return Answer(b"", bytes(self.buffer), False)
        found = Answer(head, b"", True)
        if method == "HEAD" or found.status in (204, 304) or found.status < 200:
            return found
        try:
            if found.field("Content-Length") or found.field("Transfer-Encoding"):
                found.body = read_body(self.socket, self.buffer, head)
            else:
                while data := self.socket.recv(65536):
                    self.buffer += data
                found.body = bytes(self.buffer)
        except (EOFError, ConnectionError):
            found.body, found.is_whole = bytes(self.buffer), False
        return found

    def is_closed(self):
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True
