"""Both formats of a real daemon, read by programs that are not ours. usage: formats.py HEADROOMD"""
import shutil
import subprocess
import sys

from daemon import Daemon, skip, wait_for

try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
    from prometheus_client.parser import text_string_to_metric_families as read_text
except ImportError:
    skip("the Debian package python3-prometheus-client is not installed")
if shutil.which("promtool") is None:
    skip("promtool is not installed (Debian package prometheus)")

OPEN = "application/openmetrics-text; version=1.0.0"
SEED = ["ml_resource_cpu_percent", "ml_resource_memory_percent",
        "ml_resource_allocation_adjustments_total", "ml_resource_pressure_events_total",
        "ml_resource_prediction_accuracy"]


def promtool(text):
    return subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                          capture_output=True, check=False)


def series(families):
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


with Daemon(sys.argv[1]) as daemon:
    daemon.book()
    def both():
        """Both formats; a sample that was taken between them may have changed what there is."""
        kinds, texts = zip(daemon.get("/metrics"), daemon.get("/metrics", OPEN))
        assert kinds[0].startswith("text/plain; version=0.0.4"), kinds
        assert kinds[1].startswith("application/openmetrics-text; version=1.0.0"), kinds
        families = list(read_open(texts[1]))
        old, new = series(read_text(texts[0])), series(families)
        rates = "\nsystem_cpu_utilization_ratio " in texts[0]  # from the second sample on
        return (*texts, families, old, new) if rates and set(old) == set(new) else None

    text, openmetrics, open_families, old, new = wait_for("the same series in both formats", both)
    checked = promtool(text)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert promtool(text + "broken{ 1\n").returncode != 0, "promtool finds nothing wrong in anything"
    try:
        list(read_open(openmetrics.replace("# EOF\n", "")))
    except ValueError:
        pass
    else:
        raise SystemExit("the parser finds nothing wrong in anything")
    assert len(old) > 100, len(old)
    for name in SEED:
        assert f"# TYPE {name} " in text, name
    assert any(f.unit == "bytes" for f in open_families)
    booked = {k[1]: v for k, v in new.items() if k[0] == "headroom_lease_booked_bytes"}
    assert booked[(("name", "train"), ("resource", "memory"))] >= 128 << 20, booked
    assert (("name", "größe"), ("resource", "memory")) in booked, booked
    print(f"{len(old)} samples, {len(open_families)} families, the same in both formats")

with Daemon(sys.argv[1], "openmetrics = false\ndcgm_names = true\nseed_names = false") as daemon:
    kind, text = daemon.get("/metrics", OPEN)
    assert kind.startswith("text/plain"), kind
    # Parsed (1 is "cannot"); NVIDIA's names are no lint's delight (3).
    checked = promtool(text)
    assert checked.returncode in (0, 3), checked.stdout + checked.stderr
    assert 'DCGM_FI_DEV_FB_USED{gpu="2",UUID="' in text and "ml_resource_" not in text
