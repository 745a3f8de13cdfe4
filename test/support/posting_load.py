"""Clients of the bank, as a program of its own: `posting_load.py '{"port": ..., ...}'` (see `Load` in postings.py).

Writes begin at a steady rate, whatever the answers do, so that a pause is felt by everybody who comes in it. Connections are kept.
A 409 was certainly not written and is tried again until the deadline; anything else but 200 is a failure, and what became of the
write is unknown. When standard input ends it waits for what is under way and prints one line of JSON for each write.
"""

import asyncio
import gc
import json
import random
import sys
import time

AGAIN_AFTER_S = 0.01


class Connection(asyncio.Protocol):
    """One request at a time; `ask` gives status and body of its answer."""

    def __init__(self):
        self._received = bytearray()
        self._answer = None
        self._transport = None

    def connection_made(self, transport):
        self._transport = transport

    def connection_lost(self, _):
        if self._answer and not self._answer.done():
            self._answer.set_exception(ConnectionError("the gateway closed the connection"))

    def data_received(self, data):
        self._received += data
        head, end, rest = bytes(self._received).partition(b"\r\n\r\n")
        if not end or self._answer is None or self._answer.done():
            return
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if len(rest) >= (size := int(fields[b"content-length"])):
            self._received.clear()
            self._answer.set_result((int(head[9:12]), rest[:size]))

    async def ask(self, request):
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def is_open(self):
        return not self._transport.is_closing()

    def close(self):
        self._transport.abort()


class Clients:
    def __init__(self, port, per_second, cohorts, turns, name, seed, deadline_s):
        self._port, self._period_s, self._name, self._deadline_s = port, 1 / per_second, name, deadline_s
        self._turns = [(turn, cohorts[turn]) for turn in turns]
        self._chance = random.Random(seed)
        self._idle = []
        self._stop = asyncio.Event()
        self.writes = []

    async def run(self):
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin, self._stop.set)
        due, number, under_way = time.monotonic(), 0, set()
        while not self._stop.is_set():
            await asyncio.sleep(max(0, due - time.monotonic()))
            cohort, accounts = self._turns[number % len(self._turns)]
            write = loop.create_task(self._write(cohort, self._chance.choice(accounts), number))
            under_way.add(write)
            write.add_done_callback(under_way.discard)
            due, number = due + self._period_s, number + 1
        if under_way:
            await asyncio.wait(under_way)

    async def _write(self, cohort, account, number):
        operation, cents = f"{self._name}/{number}", self._chance.randint(1, 9999)
        body = json.dumps({"operation": operation, "cents": cents}).encode()
        request = (f"POST /accounts/{account}/postings HTTP/1.1\r\nHost: bank.example\r\nOperation-Key: {operation}\r\n"
                   f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body
        write = {"cohort": cohort, "account": account, "operation": operation, "cents": cents, "refused": 0, "began": time.monotonic()}
        try:
            async with asyncio.timeout(self._deadline_s):
                write["posting"] = await self._until_written(request, write)
        except TimeoutError:
            write["failure"] = f"no answer within {self._deadline_s} s"
        except (OSError, RuntimeError) as failure:
            write["failure"] = str(failure)
        write["ended"] = time.monotonic()
        self.writes.append(write)

    async def _until_written(self, request, write):
        while True:
            status, body = await self._ask(request)
            if status == 200:
                return json.loads(body)["posting"]
            if status != 409:
                raise RuntimeError(f"{status}: {body.decode()}")
            write["refused"] += 1
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _ask(self, request):
        while self._idle and not self._idle[-1].is_open():
            self._idle.pop()
        connection = self._idle.pop() if self._idle else await self._connect()
        try:
            answer = await connection.ask(request)
        except BaseException:
            connection.close()  # its answer may still come, and belongs to nobody
            raise
        self._idle.append(connection)
        return answer

    async def _connect(self):
        _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", self._port)
        return connection


def main():
    gc.disable()  # a pause of ours would be taken for one of the gateway
    clients = Clients(**json.loads(sys.stdin.readline()))
    asyncio.run(clients.run())
    for write in clients.writes:
        print(json.dumps(write))


if __name__ == "__main__":
    main()
