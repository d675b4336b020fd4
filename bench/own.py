"""Programs of the benchmark's own: headroomd, the peers beside it, and asking them over HTTP."""
import os
import pathlib
import shutil
import socket
import subprocess
import time

from ratio import Failure
from watch import cpu_seconds, tree_of


def tree_cpu(pid: int) -> float:
    """CPU seconds of a process and its children."""
    return sum(cpu_seconds(number) or 0.0 for number in tree_of(pid))


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def program(*names) -> str:
    """The path of the first of these that is installed; a daemon of Debian's may lie in sbin."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            return found
    raise Failure(f"{names[0]} is missing\n  try: tools/setup bench")


class Connection:
    """One kept connection, which does as little as it can."""

    def __init__(self, address):
        """(host, port), or the path of a Unix socket"""
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
        else:
            self.socket = socket.socket()
        self.socket.settimeout(30)
        self.socket.connect(address)
        if not isinstance(address, str):
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, target: str) -> bytes:
        """The body of an answer with 200."""
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        data = self.socket.recv(65536)
        while b"\r\n\r\n" not in data:
            more = self.socket.recv(65536)
            if not more:
                raise Failure(f"{target}: no answer")
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").lower().split("\r\n")
        if not lines[0].startswith("http/1.1 200"):
            raise Failure(f"{target}: {lines[0]}: {body[:300]!r}")
        fields = dict(line.split(": ", 1) for line in lines[1:])
        if "content-length" in fields:
            parts, have = [body], len(body)
            while have < int(fields["content-length"]):
                more = self.socket.recv(1 << 20)
                if not more:
                    raise Failure(f"{target}: half an answer")
                parts.append(more)
                have += len(more)
            return b"".join(parts)
        return self.chunks(body)

    def chunks(self, data: bytes) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in data:
                data += self.socket.recv(1 << 20)
            size, _, data = data.partition(b"\r\n")
            length = int(size, 16)
            while len(data) < length + 2:
                data += self.socket.recv(1 << 20)
            if length == 0:
                return body
            body += data[:length]
            data = data[length + 2:]


class Server:
    """A program that serves an address; ended with the block."""

    def __init__(self, words, address, log: str, variables=None):
        self.address = address
        self.log = open(log, "w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen([str(word) for word in words], stderr=self.log, stdout=self.log,
                                        env={**os.environ, **(variables or {})})
        self.name = pathlib.Path(str(words[0])).name

    def __enter__(self):
        for _ in range(3000):
            with socket.socket(socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET) as client:
                if client.connect_ex(self.address) == 0:
                    return self
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        self.__exit__()
        self.log.seek(0)
        raise Failure(f"{self.name} did not start: " + self.log.read()[-2000:])

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def cpu(self) -> float:
        return tree_cpu(self.process.pid)

    def cost(self, target: str, times: int, connection=None) -> float:
        """CPU nanoseconds of the server for one of so many requests on one connection."""
        connection = connection or Connection(self.address)
        connection.get(target)
        before = self.cpu()
        for _ in range(times):
            connection.get(target)
        return 1e9 * (self.cpu() - before) / times


class Daemon(Server):
    """headroomd with a socket and a state of its own."""

    def __init__(self, programs, folder, port=0, config="", root=None):
        self.socket = f"{folder}/socket"
        self.state = f"{folder}/state"
        pathlib.Path(folder, "headroom.toml").write_text(config, encoding="utf-8")
        words = [programs / "headroomd", "--config", f"{folder}/headroom.toml", "--socket", self.socket, "--state",
                 self.state, "--listen", f"127.0.0.1:{port}" if port else ""]
        if root:
            words += ["--root", root]
        super().__init__(words, ("127.0.0.1", port) if port else self.socket, f"{folder}/log")


def fill_day(programs, folder, hours=24):
    """A day of history in the state folder of a daemon that is started later."""
    os.makedirs(f"{folder}/state", exist_ok=True)
    if subprocess.run([programs / "headroom-fill-day", f"{folder}/state", str(hours)], check=False).returncode != 0:
        raise Failure("headroom-fill-day did not fill a day")


def nginx(folder):
    """One worker that serves a file of 600 bytes at /static, as fast as it is known to."""
    port = free_port()
    pathlib.Path(folder, "static").write_bytes(b'{"status":"' + b"x" * 587 + b'"}')
    os.makedirs(f"{folder}/tmp", exist_ok=True)
    paths = "".join(f"{kind}_temp_path {folder}/tmp;" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    pathlib.Path(folder, "nginx.conf").write_text(
        f"""daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error;
{"user root;" if os.getuid() == 0 else ""}
events {{ worker_connections 64; }}
http {{ access_log off; open_file_cache max=10; keepalive_requests 10000000; {paths}
server {{ listen 127.0.0.1:{port}; root {folder}; default_type application/json; }} }}
""", encoding="utf-8")
    return Server([program("nginx"), "-c", f"{folder}/nginx.conf", "-p", folder], ("127.0.0.1", port),
                  f"{folder}/nginx.log")


def node_exporter(folder):
    """With the collectors of what headroom exposes of a machine without GPUs."""
    port = free_port()
    kinds = ("stat", "cpu", "meminfo", "loadavg", "netdev", "diskstats", "pressure", "filesystem")
    return Server([program("prometheus-node-exporter", "node_exporter"), "--collector.disable-defaults",
                   *(f"--collector.{kind}" for kind in kinds), f"--web.listen-address=127.0.0.1:{port}"],
                  ("127.0.0.1", port), f"{folder}/node_exporter.log")


def prometheus(folder, blocks):
    port = free_port()
    pathlib.Path(folder, "prometheus.yml").write_text("global: {scrape_interval: 1h}\n", encoding="utf-8")
    return Server([program("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={blocks}",
                   "--storage.tsdb.retention.time=10y", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"],
                  ("127.0.0.1", port), f"{folder}/prometheus.log")
