"""A real Prometheus scrapes a real daemon in both formats, with the rules loaded, and every question of
the dashboard is asked. usage: prometheus.py HEADROOMD SOURCE_DIR [SCRAPES]"""
import json
import os
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request

from daemon import Daemon, free_port, skip, wait_for

if shutil.which("prometheus") is None:
    skip("the Debian package prometheus is not installed")
program, source = sys.argv[1:3]
scrapes = int(sys.argv[3]) if len(sys.argv) > 3 else 4


def expressions(value):
    if isinstance(value, dict):
        if "expr" in value:
            yield value["expr"]
        for one in value.values():
            yield from expressions(one)
    elif isinstance(value, list):
        for one in value:
            yield from expressions(one)


with Daemon(program) as first, Daemon(program, "openmetrics = false") as second:
    first.book()
    port = free_port()
    config = os.path.join(first.folder, "prometheus.yml")
    with open(config, "w") as out:
        out.write(f"""
global: {{scrape_interval: 5s, scrape_timeout: 5s, evaluation_interval: 5s}}
rule_files: ["{source}/packaging/prometheus/headroom.rules.yml"]
scrape_configs:
  - job_name: headroom
    static_configs: [{{targets: ["127.0.0.1:{first.port}", "127.0.0.1:{second.port}"]}}]
""")
    log = open(os.path.join(first.folder, "prometheus.log"), "w+")
    server = subprocess.Popen(["prometheus", "--config.file", config, "--storage.tsdb.path",
                               os.path.join(first.folder, "tsdb"), "--web.listen-address",
                               f"127.0.0.1:{port}"], stdout=log, stderr=subprocess.STDOUT)

    def ask(path, **query):
        url = f"http://127.0.0.1:{port}/api/v1/{path}?" + urllib.parse.urlencode(query)
        with urllib.request.urlopen(url, timeout=60) as answer:
            return json.load(answer)["data"]

    def value(expression):
        try:
            return [float(one["value"][1]) for one in ask("query", query=expression)["result"]]
        except OSError:
            return []

    try:
        wait_for("two targets that were scraped often enough",
                 lambda: sum(n >= scrapes for n in value("count_over_time(up[10m])")) == 2,
                 60 + 15 * scrapes)
        assert value("min_over_time(up[10m])") == [1, 1], value("min_over_time(up[10m])")
        for target in ask("targets")["activeTargets"]:
            assert target["health"] == "up" and target["lastError"] == "", target
        samples = value("scrape_samples_scraped")
        assert min(samples) > 100, samples
        assert value("scrape_samples_scraped - scrape_samples_post_metric_relabeling") == [0, 0]
        for group in ask("rules")["groups"]:
            for rule in group["rules"]:
                assert rule["health"] in ("ok", "unknown") and not rule.get("lastError"), rule
        board = json.load(open(f"{source}/packaging/grafana/headroom.json"))
        asked = answered = 0
        for expression in expressions(board):
            plain = expression.replace("$__rate_interval", "20s").replace("$instance", ".*")
            asked += 1
            answered += bool(ask("query", query=plain)["result"])
        assert answered > asked / 2, f"{answered} of {asked} panels have something to show"
        log.seek(0)
        bad = [line for line in log if "level=warn" in line or "level=error" in line]
        assert not bad, bad[:3]
        print(f"{value('count_over_time(up[10m])')} scrapes, all up; {samples} samples each, "
              f"{value('avg_over_time(scrape_duration_seconds[10m])')} s each; "
              f"{answered} of {asked} questions of the dashboard have an answer")
    finally:
        server.terminate()
        server.wait(20)
