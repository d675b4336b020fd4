"""A headroomd of its own for a test: simulated GPUs, a folder that goes away, a free port."""
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request

SKIPPED = 77


def skip(why):
    print("skipped: " + why)
    raise SystemExit(SKIPPED)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, condition, seconds=60):
    """Polls until `condition()` gives something true, and returns that; says `what` never came."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise SystemExit("never came: " + what)
        time.sleep(0.1)


class Daemon:
    """`with Daemon(program, metrics="dcgm_names = true") as daemon`"""

    def __init__(self, program, metrics=""):
        self.folder = tempfile.mkdtemp(prefix="headroom-metrics-")
        self.port = free_port()
        config = os.path.join(self.folder, "headroom.toml")
        with open(config, "w") as out:
            out.write(f"""
[http]
socket = "{self.folder}/h.sock"
listen = "127.0.0.1:{self.port}"
[state]
dir = "{self.folder}/state"
[sample]
gpu = "sim"
gpu_sim = "24GiB,cc=8.6,used=4.2GiB; 24GiB; 80GiB,used=60GiB; 80GiB"
[metrics]
{metrics}
""")
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.process = subprocess.Popen([program, "--config", config], stdout=self.log,
                                        stderr=subprocess.STDOUT)

    def get(self, path, accept="", limit=60):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}",
                                         headers={"Accept": accept} if accept else {})
        with urllib.request.urlopen(request, timeout=limit) as answer:
            return answer.headers["Content-Type"], answer.read().decode()

    def post(self, path, body):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}",
                                         data=json.dumps(body).encode(), method="POST",
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def ready(self):
        if self.process.poll() is not None:
            self.log.seek(0)
            raise SystemExit("headroomd ended: " + self.log.read())
        try:
            return self.get("/readyz")
        except OSError:
            return None

    def book(self):
        """Leases as a busy machine has them: two of one name, one on a GPU, one with an odd name."""
        for name, needs in [("train", {"memory_bytes": 64 << 20}),
                            ("train", {"memory_bytes": 64 << 20}),
                            ("render", {"memory_bytes": 64 << 20, "gpu_memory_bytes": 8 << 30}),
                            ("größe", {"memory_bytes": 64 << 20})]:
            self.post("/api/v1/leases", {"name": name, "needs": needs, "ttl_seconds": 600,
                                         "holder": {"pid": None}})

    def __enter__(self):
        try:
            wait_for("an answer of headroomd", self.ready, 30)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
