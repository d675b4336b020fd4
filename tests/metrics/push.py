"""A real daemon sends its metrics to a collector that is busy at first, and says so once.
usage: push.py HEADROOMD"""
import http.server
import json
import sys
import threading

from daemon import Daemon, wait_for

seen = []


class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        seen.append((self.path, self.headers["Content-Type"], body))
        self.send_response(503 if len(seen) == 1 else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def events(daemon):
    return [(e["type"], e["text"]) for e in json.loads(daemon.get("/api/v1/events")[1])["items"]]


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}"

with Daemon(sys.argv[1], f'otlp = "{address}"\notlp_interval = "1s"\notlp_json = true') as daemon:
    wait_for("three messages", lambda: len(seen) >= 3)
    path, kind, body = seen[-1]
    assert (path, kind) == ("/v1/metrics", "application/json"), (path, kind)
    resource = json.loads(body)["resourceMetrics"][0]
    names = {a["key"]: a["value"]["stringValue"] for a in resource["resource"]["attributes"]}
    assert names["service.name"] == "headroomd" and names["host.name"], names
    metrics = {m["name"]: m for m in resource["scopeMetrics"][0]["metrics"]}
    assert int(metrics["system.memory.limit"]["sum"]["dataPoints"][0]["asInt"]) > 0
    assert len(metrics["hw.gpu.memory.limit"]["sum"]["dataPoints"]) == 4
    said = wait_for("the failure and the recovery",
                    lambda: {t for t, _ in events(daemon)} >= {"metrics.failed", "metrics.sent"}
                    and events(daemon))
    assert any("it answered 503" in text for _, text in said), said

del seen[1:]
with Daemon(sys.argv[1], f'otlp = "{address}"\notlp_interval = "1s"') as daemon:
    wait_for("two messages", lambda: len(seen) >= 3)
    assert seen[-1][1] == "application/x-protobuf" and b"system.memory.usage" in seen[-1][2]

print(f"{len(metrics)} metrics arrived, in both encodings")
