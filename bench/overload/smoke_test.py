#!/usr/bin/env python3
"""A run of three small jobs on this machine: smoke_test.py PROGRAMS. 77: skipped, with the reason."""
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

from measures import KEYS  # noqa: E402


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/runs.json"
        done = subprocess.run([sys.executable, HERE / "run", "--arena", "host", "--contenders", "kernel,headroom",
                               "--workloads", "tiny", "--seeds", "1", "--scale", "96M", "--json", path, "--programs",
                               sys.argv[1]], check=False)
        if done.returncode != 0:
            return done.returncode
        kernel, headroom = [json.loads(line) for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines()]
    wrong = [text for holds, text in (
        (set(kernel) == set(KEYS) and set(headroom) == set(KEYS), "the keys are not those of issue 5"),
        (kernel["contender"] == "kernel" and kernel["workload"] == "tiny" and kernel["seed"] == 1, "it is another run"),
        (kernel["killed"] > 0 and kernel["oom_kills"] > 0, "three jobs fitted where two do, and nobody was killed"),
        (kernel["work_lost"] > 0, "somebody was killed and had lost nothing"),
        (headroom["completed"] == 1 and headroom["killed"] == 0, "headroom did not keep three jobs apart"),
        (headroom["makespan_over_oracle"] >= 1, "faster than anybody can be"),
    ) if not holds]
    for text in wrong:
        print(f"FAILED: {text}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
