#!/usr/bin/env python3
"""Makes inputs for the fuzzers to start from: make_seeds.py DIRECTORY_OF_GOLDEN_FILES OUTPUT_DIRECTORY"""

import gzip
import json
import pathlib
import struct
import sys
import zlib

# In the order of kTypes in fuzz_pg_values.cpp.
TYPES = ["bool", "int2", "int4", "int8", "float4", "float8", "numeric", "date", "timestamp", "timestamptz",
         "uuid", "bytea", "json", "jsonb", "text", "varchar", "bpchar", "name"]

COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER = b"\xff\xff"


def write(folder, number, content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed-{number:04}").write_bytes(content)


def lines_of(path):
    return [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#")]


def pgoutput_seeds(golden, output):
    """One file per transaction, as fuzz_pgoutput reads it: each message behind its length in two bytes."""
    sequence, shapes, number = b"", b"", 0
    for _, text in lines_of(golden / "pgoutput.txt"):
        message = bytes.fromhex(text)
        framed = struct.pack("<H", len(message)) + message
        sequence += framed
        if message[:1] == b"R":
            shapes += framed
        if message[:1] == b"C":
            write(output / "pgoutput", number, shapes + sequence)
            sequence, number = b"", number + 1


def copy_binary_seeds(output):
    rows = [b"", struct.pack(">hi", 1, -1), struct.pack(">hi2si", 2, 2, b"ab", 0), struct.pack(">h", 0)]
    for number in range(len(rows)):
        stream = COPY_HEADER + b"".join(rows[: number + 1]) + COPY_TRAILER
        write(output / "copy_binary", number, b"\x05" + stream)


def pg_values_seeds(golden, output):
    for number, (_, name, _, text, _, binary) in enumerate(lines_of(golden / "pg_values.txt")[::5]):
        kind = bytes([TYPES.index(name)])
        write(output / "pg_values", number * 2, kind + text.encode())
        write(output / "pg_values", number * 2 + 1, kind + bytes.fromhex(binary))


def parity_seeds(golden, output):
    """The pairs of bodies of the golden tables, under each choice of rules."""
    number = 0
    for path in sorted((golden / "parity").glob("*.txt")):
        bodies = {}
        for line in path.read_text().splitlines():
            word, _, text = line.partition(" ")
            if word in ("legacy", "new"):
                bodies[word] = text.encode()
            if line == "----":
                pair = bodies.get("legacy", b"") + b"\0" + bodies.get("new", b"")
                write(output / "parity", number, bytes([number % 3]) + pair)
                bodies, number = {}, number + 1


def content_encoding_seeds(output):
    bare = zlib.compressobj(wbits=-15)
    bodies = [gzip.compress(b"squeezed" * 40), zlib.compress(b"squeezed" * 40), gzip.compress(zlib.compress(b"twice")),
              bare.compress(b"without a frame") + bare.flush()]
    # The encoder is not in Python's library: this is what it makes of the first text.
    squeezed = bytes.fromhex("1b3f0100a4c9cae6f4d4229b95736a34942f00")
    bodies += [squeezed, gzip.compress(squeezed)]
    for number, (kind, body) in enumerate(zip((0, 1, 2, 1, 3, 4), bodies)):
        write(output / "content_encoding", number, bytes([kind]) + body)


def spec_seeds(root, output):
    """The examples, and each block of YAML in docs/spec.md."""
    texts = [path.read_text() for path in sorted(root.glob("examples/*/oxbow.yaml"))]
    texts += [block.split("```")[0] for block in (root / "docs" / "spec.md").read_text().split("```yaml\n")[1:]]
    for number, text in enumerate(texts):
        write(output / "spec", number, text.encode())


def answer_seeds(golden, output):
    """Answers of the pages of differences: with the size to cut them to in the first byte, and in pairs."""
    document = json.loads((golden / "diff" / "differences.json").read_text())
    bodies = [pair[side]["body"] for cluster in document["clusters"] for pair in cluster["exemplars"]
              for side in ("legacy", "new")]
    bodies += ["password=x&mail=a@b.example&card=4111 1111 1111 1111", "Authorization: Bearer abcdefgh",
               '$.users["a@b.example"].name', '{"token": {"a": [1, "}"]}, "d": {"k": {"e": 4111111111111111}}}']
    for number, body in enumerate(bodies):
        write(output / "redactor", number, b"\x60" + body.encode())
        write(output / "answer_lines", number, body.encode() + b"\0" + bodies[number - 1].encode())


def http1_seeds(output):
    """What a client may send: heads, then bodies in chunks."""
    heads = ["GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n", "POST http://h:1/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
             "OPTIONS * HTTP/1.0\r\nConnection: keep-alive, X-A\r\nX-A: 1\r\nTE: trailers\r\n\r\n",
             "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
             "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a\r\n\r\nhello",
             "5\r\nhello\r\n1;x=y\r\n \r\n0\r\nX-Sum: 7\r\n\r\n", "0\r\n\r\n"]
    for number, text in enumerate(heads):
        write(output / "http1", number, text.encode())


def message_reader_seeds(output):
    """Who sends, how it is cut, and several messages one behind the other."""
    long = b"POST /a HTTP/1.1\r\nHost: h\r\nX-Long: %s\r\nContent-Length: 9\r\n\r\n123456789" % (b"x" * 5000)
    chunked = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n"
    asked = b"\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    conversations = [(0, asked * 3), (0, chunked + asked + long), (0, long[:-3]), (0, chunked[:-9]), (0, asked + b"\r"),
                     (1, b"HTTP/1.1 100 Continue\r\n\r\n" + answer * 2), (1, b"HTTP/1.0 200 OK\r\n\r\nuntil the end"),
                     (1, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" + b"y" * 1024 + b"\r\n0\r\n\r\n" + answer),
                     (2, answer[:-5] * 2), (1, b"HTTP/1.1 304 Not Modified\r\n\r\n" + answer)]
    for number, (sender, text) in enumerate(conversations):
        write(output / "message_reader", number, bytes([sender, 20 * number]) + text)


def http2_seeds(output):
    """What the service does, and frames: settings, requests whose fields are literals, bodies, resets, windows."""
    def frame(kind, flags, stream, payload=b""):
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    def fields(*pairs):
        return b"".join(b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in pairs)

    asked = fields((b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/a"), (b":authority", b"h"), (b"cookie", b"a=1"))
    large = asked + fields(*[(b"x-%d" % number, b"v" * 100) for number in range(12)])
    body = frame(0, 0, 1, b"hello") + frame(1, 5, 1, fields((b"x-sum", b"5")))
    conversations = [frame(1, 5, 1, asked), frame(1, 4, 1, asked) + body, frame(1, 4, 1, asked) + frame(0, 1, 1, b"z" * 1999),
                     frame(1, 4, 1, asked) + frame(0, 0, 1, b"z" * 2100),
                     frame(1, 4, 1, asked) + 3 * frame(0, 0, 1, b"z" * 16384), frame(1, 5, 1, large) + frame(1, 5, 3, asked),
                     frame(1, 1, 1, asked[:20]) + frame(9, 4, 1, asked[20:]),
                     b"".join(frame(1, 5, stream, asked) for stream in range(1, 15, 2)),
                     frame(1, 4, 1, asked) + frame(3, 0, 1, struct.pack(">I", 8)) + frame(1, 5, 3, b"\x82\x86\x84\x41\x01h"),
                     frame(1, 5, 1, asked) + frame(8, 0, 1, struct.pack(">I", 1000)) + frame(6, 0, 0, bytes(8)),
                     frame(4, 0, 0, struct.pack(">HI", 4, 0)) + frame(1, 5, 1, asked) + frame(8, 0, 1, struct.pack(">I", 9)),
                     frame(1, 5, 2, asked), frame(7, 0, 0, bytes(8)), b"GET / HTTP/1.1\r\n\r\n"]
    for number, text in enumerate(conversations):
        for choice, ways in enumerate((0x00, 0xe4, 0xff, 0xaa)):
            write(output / "http2", 4 * number + choice, bytes([ways]) + text)


def routing_seeds(output):
    """A target, cookies and a body, a line each."""
    seeds = ["/a/4711\nid=4711\n{\"a\": {\"id\": 4711}}", "/a/x%20y/4711/\na=1; id=2\n{\"b\": [1, {\"id\": 2}], \"a\": {\"id\": \"k-1\"}}",
             "/q?a=1&id=4711\nid=\"1\"\n{\"a\": {\"i\\u0064\": \"\\ud83e\\udd86\"}}", "/a/%2e%2E/b\n\n[]", "/c?x;id=1\nid=1; id=2\n{\"a\":{\"id\":1,\"id\":2}}"]
    for number, text in enumerate(seeds):
        write(output / "routing", number, text.encode())


def main():
    golden, output = map(pathlib.Path, sys.argv[1:])
    pgoutput_seeds(golden, output)
    copy_binary_seeds(output)
    pg_values_seeds(golden, output)
    spec_seeds(golden.parent.parent, output)
    answer_seeds(golden, output)
    parity_seeds(golden, output)
    content_encoding_seeds(output)
    routing_seeds(output)
    http1_seeds(output)
    message_reader_seeds(output)
    http2_seeds(output)


if __name__ == "__main__":
    main()
