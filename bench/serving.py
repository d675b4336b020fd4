"""What answers cost the server: a scrape, the status, an hour of history; each beside a known program."""
import os
import re
import statistics
import subprocess
import sys
import time

from own import Connection, Daemon, fill_day, free_port, nginx, node_exporter, program, prometheus
from ratio import Failure, figure_of
from rows import Row, beside, microseconds

PERIOD = 0.1  # seconds between two scrapes


def exposed(text: bytes) -> int:
    """Samples of one exposition."""
    return sum(1 for line in text.splitlines() if line and not line.startswith(b"#"))


def scrape(programs, folder, rounds, times=2000):
    """A scrape and one fresh sample, asked for as fast as it is answered. node_exporter reads the machine
    when it is scraped; headroomd reads it in its own time, so one whole sample is added to each scrape."""
    port = free_port()
    with Daemon(programs, folder, port) as daemon, node_exporter(folder) as peer:
        time.sleep(1.5)
        both = [(server, Connection(server.address)) for server in (daemon, peer)]
        counts = [exposed(connection.get("/metrics")) for _, connection in both]
        costs = ([], [])
        for _ in range(rounds):
            sample = figure_of(f"{programs}/headroom-bench sample --ns")
            for (server, connection), of_server, added, count, some in zip(both, costs, (sample, 0), counts,
                                                                          (times, times // 10)):
                of_server.append((server.cost("/metrics", some, connection) + added) / count)
    row = beside("a scrape and one fresh sample, CPU per exposed sample, against node_exporter", *costs, 0.1, "{:.3f}")
    row.ours, row.beside = (f"{statistics.median(cost) / 1000:.2f} µs × {count}" for cost, count in zip(costs, counts))
    return [row]


def paced_scrape(programs, folder, rounds, seconds=5):
    """Both scraped ten times a second in the same seconds, all in: headroomd samples ten times a second
    then, and decides, judges and keeps too, which no scrape of node_exporter does. Told, not judged."""
    port = free_port()
    with Daemon(programs, folder, port, f'[sample]\ninterval = "{int(1000 * PERIOD)}ms"\n') as daemon, \
            node_exporter(folder) as peer:
        time.sleep(1.5)
        both = [(server, Connection(server.address)) for server in (daemon, peer)]
        counts = [exposed(connection.get("/metrics")) for _, connection in both]
        ratios = []
        for _ in range(rounds):
            before = [server.cpu() for server, _ in both]
            start = time.monotonic()
            for number in range(int(seconds / PERIOD)):
                for _, connection in both:
                    connection.get("/metrics")
                time.sleep(max(0.0, start + (number + 1) * PERIOD - time.monotonic()))
            ours, theirs = ((server.cpu() - first) / count for (server, _), first, count in zip(both, before, counts))
            ratios.append(ours / theirs)
    print(f"scraped ten times a second, all in, CPU per exposed sample: {statistics.median(ratios):.3f} "
          f"({min(ratios):.3f}–{max(ratios):.3f}) of node_exporter", flush=True)
    return []


def status(programs, folder, rounds, times=4000):
    """The status of the last sample over a kept TCP connection, against a file from nginx."""
    port = free_port()
    with Daemon(programs, folder, port) as daemon, nginx(folder) as peer:
        time.sleep(1.5)
        asked = [(daemon, "/api/v1/monitoring/status", Connection(daemon.address), []),
                 (peer, "/static", Connection(peer.address), [])]
        for number in range(rounds):
            for server, target, connection, costs in asked if number % 2 == 0 else reversed(asked):
                costs.append(server.cost(target, times, connection))
    return [beside("GET /api/v1/monitoring/status, CPU, against 600 bytes from nginx", asked[0][3], asked[1][3], 1.5)]


def history(programs, folder, rounds, hours=24):
    """Bytes per sample of a set that both store, and an hour of seconds as JSON."""
    start = (int(time.time()) // 7200 - hours // 2 - 2) * 7200
    here = os.path.dirname(os.path.abspath(__file__))
    made = subprocess.run([sys.executable, f"{here}/gen_history.py", "--hours", str(hours), "--start", str(start),
                           "--f64", f"{folder}/set", "--openmetrics", f"{folder}/set.om"],
                          stdout=subprocess.DEVNULL, check=False)
    if made.returncode != 0:
        raise Failure("gen_history.py made no set")
    samples = os.path.getsize(f"{folder}/set") // 8
    done = subprocess.run([programs / "record_bench", "--benchmark_filter=on_disk"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False,
                          env={**os.environ, "TMPDIR": folder, "HEADROOM_HISTORY_SET": f"{folder}/set"})
    found = re.search(r"seconds_bytes_per_sample=([0-9.]+)(m?).*whole_file=([0-9.]+)(m?)", done.stdout)
    if done.returncode != 0 or not found:
        raise Failure("record_bench gave no bytes per sample")
    ours, whole = (float(found[at]) / (1000 if found[at + 1] else 1) for at in (1, 3))
    if subprocess.run([program("promtool"), "tsdb", "create-blocks-from", "openmetrics", f"{folder}/set.om",
                       f"{folder}/tsdb"], stdout=subprocess.DEVNULL, check=False).returncode != 0:
        raise Failure("promtool made no blocks")
    theirs = sum(os.path.getsize(os.path.join(path, name)) for path, _, names in os.walk(f"{folder}/tsdb")
                 for name in names) / samples
    print(f"the file with its coarser tiers, which nobody else keeps: {whole:.3f} bytes per sample", flush=True)
    rows = [Row("history on disk, seconds, in bytes per sample, beside Prometheus", f"{ours:.3f}", f"{theirs:.3f}",
                [ours], 1.0, "{:.3f}")]

    fill_day(programs, folder)
    port = free_port()
    middle = start + 3600 * hours // 2
    with Daemon(programs, folder, port) as daemon, prometheus(folder, f"{folder}/tsdb") as peer:
        for _ in range(300):  # it listens before it is ready
            try:
                Connection(peer.address).get("/-/ready")
                break
            except (Failure, OSError):
                time.sleep(0.1)
        hour = "/api/v1/history?resource=memory&window=3600s"
        theirs_hour = f"/api/v1/query_range?step=1&start={middle}&end={middle + 3599}&query=headroom_memory_used_bytes"
        asked = [(daemon, hour, Connection(daemon.address), []), (peer, theirs_hour, Connection(peer.address), [])]
        for _, target, connection, _ in asked:
            points = connection.get(target).count(b"[") - 2
            if points < 3500:
                raise Failure(f"{target}: {points} points")
        for number in range(rounds):
            for server, target, connection, costs in asked if number % 2 == 0 else reversed(asked):
                costs.append(server.cost(target, 200, connection))
        day = daemon.cost("/api/v1/history?resource=memory&window=24h", 50)
    print(f"a day of history in 10 s steps: {microseconds(day)} of CPU", flush=True)
    return rows + [beside("an hour of seconds as JSON, CPU, against Prometheus", asked[0][3], asked[1][3], 1 / 3)]
