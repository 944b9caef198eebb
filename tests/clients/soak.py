"""A server under clients that come, go, stall, send garbage and disconnect: no request is lost, memory stays what it was.

    python soak.py [SECONDS] [--pause S]       60 seconds; S: the mean pause of each client, 0.3

Every answer of the honest clients is compared with what the same request gave alone. Resident memory, threads and descriptors
are written every ten seconds; growth is counted from minute ten, and is an error in runs of 20 minutes or more. Needs nothing but
Python's standard library.
"""
import argparse
import base64
import collections
import contextlib
import http.client
import json
import os
import random
import socket
import struct
import sys
import threading
import time

from support import KEY, Server, check, fetch, metric, same

arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("seconds", type=float, nargs="?", default=60)
arguments.add_argument("--pause", type=float, default=0.3)
arguments = arguments.parse_args()

PROMPTS = ["Once upon a time", "The wolf said to the fox", "A king had three sons", "The old woman", "In the deep wood", "Good morning, said the"]
HEADERS = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
counts = collections.Counter()
losses = []
stop = threading.Event()


def completion(i, stream=False):
    return {"prompt": PROMPTS[i % len(PROMPTS)], "max_tokens": 8 + 5 * (i % 7), "temperature": i % 2, "seed": i, "stream": stream}


def events(response):
    """The data of each server-sent event; whether the last was [DONE]."""
    data = [line[6:] for line in response.read().decode().split("\n") if line.startswith("data: ")]
    return [json.loads(one) for one in data if one != "[DONE]"], data[-1:] == ["[DONE]"]


class Client(threading.Thread):
    """Calls `act` again and again. What it raises is a loss."""

    def __init__(self, act, seed):
        super().__init__(daemon=True)
        self.act, self.random = act, random.Random(seed)

    def run(self):
        while not stop.is_set():
            name = self.act.__name__
            try:
                self.act(self.random)
                counts[name] += 1
            except Exception as error:
                losses.append(f"{name}: {error!r}")
                print(f"lost by {losses[-1]}", flush=True)
            stop.wait(self.random.expovariate(1 / arguments.pause) if arguments.pause else 0)


def post(path, body, connection=None):
    """The response, whose status is 200; one of a server without room is waited for and asked again."""
    while True:
        used = connection or http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        used.request("POST", path, json.dumps(body), HEADERS)
        response = used.getresponse()
        if response.status not in (429, 503):
            check_status(response)
            return response
        response.read()
        counts["asked to come later"] += 1
        time.sleep(0.2)


def check_status(response):
    if response.status != 200:
        raise RuntimeError(f"status {response.status}: {response.read()[:300]}")


def need(holds, what):
    if not holds:
        raise RuntimeError(what)


def honest(chance):
    i = chance.randrange(len(expected))
    text = json.loads(post("/v1/completions", completion(i)).read())["choices"][0]["text"]
    need(text == expected[i], f"request {i}: {text!r} instead of {expected[i]!r}")


def streaming(chance):
    i = chance.randrange(len(expected))
    chunks, done = events(post("/v1/completions", completion(i, stream=True)))
    text = "".join(choice["text"] for chunk in chunks for choice in chunk["choices"])
    need(done and text == expected[i], f"stream {i}: {text!r} instead of {expected[i]!r}")


def several_on_one_connection(chance):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    for _ in range(chance.randrange(1, 6)):
        i = chance.randrange(len(expected))
        text = json.loads(post("/v1/completions", completion(i), connection).read())["choices"][0]["text"]
        need(text == expected[i], f"request {i}: {text!r} instead of {expected[i]!r}")
    connection.close()


def chatting(chance):
    messages = []
    for _ in range(3):
        messages.append({"role": "user", "content": chance.choice(PROMPTS) + str(chance.randrange(10 ** 6))})
        body = {"messages": messages, "max_tokens": 12, "state_picture": 32, "stream": True, "stream_options": {"include_usage": True}}
        chunks, done = events(post("/v1/chat/completions", body))
        need(done and chunks[-1]["usage"]["completion_tokens"] <= 12, "a chat has its end and its usage")
        messages.append({"role": "assistant", "content": "".join(c["delta"].get("content") or "" for x in chunks for c in x["choices"])})


def carrying_state(chance):
    choice = json.loads(post("/v1/completions", {**completion(1), "return_state": True}).read())["choices"][0]
    again = json.loads(post("/v1/completions", {"prompt": " and", "state": choice["state"], "max_tokens": 3}).read())
    need(again["choices"], "a state goes on")
    broken = bytearray(base64.b64decode(choice["state"]))
    for _ in range(3):
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
    status, _ = fetch(f"{server.url}/v1/completions", {"prompt": " and", "state": base64.b64encode(broken).decode(), "max_tokens": 3})
    need(status in (200, 400, 429, 503), f"status {status} for a broken state")


def asking(chance):
    for path in ("/health", "/metrics", "/v1/models", "/", "/openapi.json", "/tokenizer_info"):
        status, _ = fetch(server.url + path)
        need(status == 200, f"status {status} of {path}")
    text = chance.choice(PROMPTS) + " \u00e4\u4e2d" + str(chance.random())
    tokens = json.loads(post("/tokenize", {"prompt": text}).read())["tokens"]
    need(json.loads(post("/detokenize", {"tokens": tokens}).read())["prompt"] == text, "tokens of a text")
    data = json.loads(post("/v1/embeddings", {"input": [text, text]}).read())["data"]
    same_text = max(abs(a - b) for a, b in zip(data[0]["embedding"], data[1]["embedding"], strict=True))
    need(same_text < 1e-3, "embeddings of one text")


def connect(timeout=20):
    return socket.create_connection(("127.0.0.1", server.port), timeout=timeout)


def raw(body, path="/v1/completions", extra=""):
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n{extra}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def close_hard(connection):
    """By a reset, as a process that was killed on a machine that went away."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def leaving(chance):
    connection = connect()
    body = {**completion(3, stream=chance.random() < 0.7), "max_tokens": 2000, "n": chance.choice([1, 1, 3])}
    connection.sendall(raw(json.dumps(body).encode()))
    if chance.random() < 0.8:
        connection.settimeout(2)
        with contextlib.suppress(TimeoutError):
            connection.recv(chance.randrange(1, 3000))
    close_hard(connection) if chance.random() < 0.5 else connection.close()


def stalling(chance):
    connection = connect()
    whole = raw(json.dumps(completion(2, stream=True) | {"max_tokens": 300}).encode())
    kind = chance.randrange(3)
    if kind == 0:  # in the head or the body
        connection.sendall(whole[:chance.randrange(len(whole))])
    elif kind == 1:  # a byte at a time
        with contextlib.suppress(OSError):  # it took longer than the server waits
            for byte in whole[:chance.randrange(250)]:
                connection.sendall(bytes([byte]))
                if stop.wait(0.05):
                    break
    else:  # reads nothing
        connection.sendall(whole)
    stop.wait(chance.uniform(0.5, 20))
    connection.close()


def sending_garbage(chance):
    good = raw(json.dumps(completion(2)).encode())
    kind = chance.randrange(9)
    if kind == 0:
        data = chance.randbytes(chance.randrange(1, 20000))
    elif kind == 1:
        broken = bytearray(good)
        for _ in range(chance.randrange(1, 8)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        data = bytes(broken)
    elif kind == 2:
        data = raw(chance.choice([b"{", b"[1]", b"\xff\xfe", b"null", b"", b'{"prompt":"\xed\xa0\x80"}', b"[" * 50000, b'{"a":' * 20000]))
    elif kind == 3:
        data = b"POST /v1/completions HTTP/1.1\r\n" + b"X: y\r\n" * chance.randrange(20000)
    elif kind == 4:
        data = raw(b"x", extra=chance.choice(["Content-Length: 9999999999999999999999\r\n", "Transfer-Encoding: chunked\r\n", "Expect: 100-continue\r\n",
                                              "Content-Encoding: gzip\r\n", "Range: bytes=0-1,2-3\r\n", "Connection: upgrade\r\nUpgrade: h2c\r\n"]))
    elif kind == 5:
        data = b"POST /tokenize HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chance.choice([b"zz\r\n", b"ffffffffffffffff\r\n", b"5\r\nabc", b"0\r\n\r\n", b"-1\r\nx\r\n"])
    elif kind == 6:
        data = b"GET /" + b"a" * chance.randrange(100000) + b" HTTP/1.1\r\n\r\n"
    elif kind == 7:
        data = (b"GET /health HTTP/1.1\r\n\r\n" * 30)[:chance.randrange(700)]
    else:
        data = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + chance.randbytes(50)
    connection = connect()
    with contextlib.suppress(OSError):
        connection.sendall(data)
        if chance.random() < 0.5:
            connection.settimeout(3)
            connection.recv(65536)
    close_hard(connection) if chance.random() < 0.3 else connection.close()


def usage(pid):
    with open(f"/proc/{pid}/status") as status:
        fields = dict(line.split(":", 1) for line in status)
    return int(fields["VmRSS"].split()[0]), int(fields["Threads"]), len(os.listdir(f"/proc/{pid}/fd"))


# In q8 a text is the same, bit by bit, whatever is beside it.
with Server("--format", "q8", "--quiet", "--cache-mb", 16, "--max-running", 8, "--max-waiting", 64, "--request-seconds", 10, "--idle-seconds", 15, "--threads", 1,
            *os.environ.get("SOAK_OPTIONS", "").split()) as server:
    expected = [json.loads(post("/v1/completions", completion(i)).read())["choices"][0]["text"] for i in range(42)]
    acts = [honest, honest, streaming, streaming, several_on_one_connection, chatting, carrying_state, asking, leaving, leaving, stalling, stalling,
            stalling, sending_garbage, sending_garbage]
    clients = [Client(act, seed) for seed, act in enumerate(acts)]
    begin = time.monotonic()
    for client in clients:
        client.start()
    settled = min(600, arguments.seconds / 6)
    memory = []
    while (now := time.monotonic() - begin) < arguments.seconds:
        check(server.process.poll() is None, "the server runs")
        rss, threads, descriptors = usage(server.process.pid)
        if now >= settled:
            memory.append(rss)
        print(f"{now:6.0f} s: {rss} kB, {threads} threads, {descriptors} descriptors, {sum(counts.values())} done, {len(losses)} lost", flush=True)
        stop.wait(min(10, arguments.seconds / 6))
    stop.set()
    for client in clients:
        client.join(130)
        check(not client.is_alive(), f"a client that {client.act.__name__} has its answer")
    for _ in range(600):
        left = metric(server.url, "rwkv_requests_running") + metric(server.url, "rwkv_requests_waiting")
        if left == 0 and metric(server.url, "rwkv_http_connections") == 1:
            break
        time.sleep(0.1)
    else:
        check(False, f"nothing is left: {left} requests, {metric(server.url, 'rwkv_http_connections')} connections")
    same(server.stop(), 0, "the exit status after SIGTERM")

print(dict(counts))
check(not losses, f"{len(losses)} lost, the first {losses[:5]}")
tenth = max(1, len(memory) // 10)
first, last = (sorted(part)[len(part) // 2] for part in (memory[:tenth], memory[-tenth:]))
print(f"soak: passed; {sum(counts.values())} requests and connections in {arguments.seconds:.0f} s, none lost; resident memory {first} kB "
      f"{settled:.0f} s after the beginning, {last} kB at the end (medians), at most {max(memory)} kB")
check(arguments.seconds < 1200 or last < first * 1.02 + 1024, "memory does not grow")
