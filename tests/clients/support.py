"""What the scripts of clients share: the server that they talk to, and what they say when something does not hold."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEY = "a-key-of-the-tests"


def check(holds, what):
    """Ends the script unless it holds."""
    if not holds:
        sys.exit(f"does not hold: {what}")


def same(found, expected, what):
    check(found == expected, f"{what}: expected {expected!r}, found {found!r}")


def fetch(url, body=None, key=KEY, timeout=60):
    """Status and bytes of an answer; a body is sent as JSON unless it is bytes."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", "Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def metric(url, name):
    """The value of a metric that has no labels."""
    for line in fetch(f"{url}/metrics")[1].decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    sys.exit(f"there is no metric {name}")


class Server:
    """A server of the demo model, or of MODEL_DIR, on a free port: `with Server() as server` and then `server.url`. RWKV_SERVE
    names the program."""

    def __init__(self, *options, program=None):
        program = program or os.environ.get("RWKV_SERVE", ROOT / "build/release/examples/serve")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        model = ["--model", os.environ["MODEL_DIR"]] if "MODEL_DIR" in os.environ else []
        self.command = [str(program), *model, "--port", str(self.port), "--api-key", KEY, *map(str, options)]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        for _ in range(600):
            check(self.process.poll() is None, f"the server runs: {' '.join(self.command)}")
            try:
                if fetch(f"{self.url}/health")[0] == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.05)
        sys.exit("the server does not answer")

    def stop(self):
        """SIGTERM, and its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def url():
    """The server named on the command line of a script."""
    check(len(sys.argv) == 2, f"usage: {sys.argv[0]} http://HOST:PORT")
    return sys.argv[1]
