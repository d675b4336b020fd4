"""The control groups of a run: one slice with the limit, and a leaf for each job, the same for every contender."""
import errno
import os
import pathlib
import signal
import time


class NoArena(Exception):
    """No such tree can be made here; says why."""


def _write(path, text):
    file = os.open(path, os.O_WRONLY)
    try:
        os.write(file, str(text).encode())
    finally:
        os.close(file)


def _keyed(path, key):
    try:
        with open(path, encoding="ascii") as file:
            for line in file:
                words = line.split()
                if len(words) == 2 and words[0] == key:
                    return int(words[1])
    except OSError:
        pass
    return 0


def _number(path):
    try:
        return int(pathlib.Path(path).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def mounts(text):
    """(point of cgroup2 or None, {controller: point} of v1) of a mountinfo text. Only whole hierarchies count."""
    v2, v1 = None, {}
    for line in text.splitlines():
        left, dash, right = line.partition(" - ")
        words, kind = left.split(), right.split()
        if not dash or len(words) < 5 or len(kind) < 3 or words[3] != "/":
            continue
        if kind[0] == "cgroup2":
            v2 = v2 or words[4]
        elif kind[0] == "cgroup":
            v1.update({name: words[4] for name in kind[2].split(",") if name in ("memory", "cpu")})
    return v2, v1


def own_groups(text):
    """{controller: path, "": path in v2} of a /proc/self/cgroup text."""
    groups = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        groups.update({name: path.rstrip("/") for name in controllers.split(",")})
    return groups


def open_tree(limit, name=None):
    """The tree of this machine for a slice of `limit` bytes: v2 where it has the memory controller, else v1."""
    v2, v1 = mounts(pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8"))
    own = own_groups(pathlib.Path("/proc/self/cgroup").read_text(encoding="utf-8"))
    name = name or f"arena-{os.getpid()}"
    try:
        if "memory" in v1:
            return TreeV1(limit, name, v2, v1, own)
        if v2:
            return TreeV2(limit, name, v2, own)
    except OSError as error:
        raise NoArena(f"cannot make control groups: {error}") from error
    raise NoArena("no memory controller of control groups is mounted")


class _Tree:
    """Ends with the block: whatever still runs in it is ended, and its groups are removed."""
    tops = ()  # folders, one in each hierarchy; the first one has the limit

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end = time.monotonic() + 10
        while self._end_all() and time.monotonic() < end:
            time.sleep(0.02)
        for top in self.tops:
            for folder, _, _ in os.walk(top, topdown=False):
                while time.monotonic() < end:
                    try:
                        os.rmdir(folder)
                    except OSError as error:
                        if error.errno != errno.EBUSY:
                            break
                        time.sleep(0.02)
                    else:
                        break

    def _end_all(self):
        found = False
        for top in self.tops:
            for folder, _, _ in os.walk(top):
                try:
                    pids = pathlib.Path(folder, "cgroup.procs").read_text(encoding="ascii").split()
                except OSError:
                    continue
                for pid in pids:
                    found = True
                    try:
                        os.kill(int(pid), signal.SIGKILL)
                    except ProcessLookupError:
                        pass
        return found

    def _make(self, *names):
        made = []
        for top in self.tops:
            folder = os.path.join(top, *names)
            os.makedirs(folder, exist_ok=True)
            made.append(folder)
        return made


class TreeV2(_Tree):
    kind = "v2"

    def __init__(self, limit, name, point, own):
        base = self._base(point, point + own.get("", ""))
        self.tops = (f"{base}/{name}",)
        os.mkdir(self.tops[0])
        try:
            _write(f"{self.tops[0]}/memory.max", limit)
            if os.path.exists(f"{self.tops[0]}/memory.swap.max"):
                _write(f"{self.tops[0]}/memory.swap.max", 0)
            have = pathlib.Path(base, "cgroup.subtree_control").read_text(encoding="ascii").split()
            _write(f"{self.tops[0]}/cgroup.subtree_control",
                   " ".join(f"+{each}" for each in ("memory", "cpu", "io", "pids") if each in have))
        except OSError:
            os.rmdir(self.tops[0])
            raise

    @staticmethod
    def _base(point, own):
        """The nearest group upwards that hands the memory controller down."""
        while len(own) >= len(point):
            try:
                if "memory" in pathlib.Path(own, "cgroup.subtree_control").read_text(encoding="ascii").split() \
                        and os.access(own, os.W_OK):
                    return own
            except OSError:
                pass
            own = os.path.dirname(own)
        raise NoArena("no group of cgroup v2 above this process hands the memory controller down to us")

    def leaf(self, name, whole=False):
        """Groups for one job. whole: what the kernel kills of it, it kills as one."""
        made = self._make(name)
        _write(f"{made[0]}/memory.oom.group", 1 if whole else 0)
        return made

    def home(self, name):
        """Groups for a daemon that makes groups of its own."""
        return self._make(name)

    def used(self):
        """Bytes, without what the kernel may drop at once."""
        stat = f"{self.tops[0]}/memory.stat"
        return max(0, _number(f"{self.tops[0]}/memory.current") - _keyed(stat, "inactive_file")
                   - _keyed(stat, "active_file"))

    def oom_kills(self):
        return _keyed(f"{self.tops[0]}/memory.events", "oom_kill")


class TreeV1(_Tree):
    """v1 controllers, and a twin in v2 for pressure, freeze and kill."""
    kind = "v1"

    def __init__(self, limit, name, v2, v1, own):
        tops = [f"{v1['memory']}{own.get('memory', '')}/{name}"]
        if "cpu" in v1:
            tops.append(f"{v1['cpu']}{own.get('cpu', '')}/{name}")
        if v2:
            tops.append(f"{v2}{own.get('', '')}/{name}")
        self.tops = tuple(tops)
        self._make()
        try:
            _write(f"{tops[0]}/memory.limit_in_bytes", limit)
            _write(f"{tops[0]}/memory.swappiness", 0)
        except OSError:
            self.__exit__()
            raise

    def leaf(self, name, whole=False):
        if whole:
            raise NoArena("v1 has no memory.oom.group")
        return self._make(name)

    def home(self, _name):
        return list(self.tops)

    def used(self):
        stat = f"{self.tops[0]}/memory.stat"
        return max(0, _number(f"{self.tops[0]}/memory.usage_in_bytes") - _keyed(stat, "total_inactive_file")
                   - _keyed(stat, "total_active_file"))

    def oom_kills(self):
        """None: v1 counts them in each group by itself, and a group that is gone has taken its count along."""
        return None
