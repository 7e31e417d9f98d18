#!/usr/bin/env python3
"""Runs commands in pairs, A B A B, and keeps wall time, CPU time and peak memory of each run.

`compare.sh` and `growth.sh` call it; everything it does is asked for in words:

    measure.py pair   one cartool command beside one peer's, into a results file
    measure.py alone  one command at one size, into a growth file
    measure.py tree   a folder of many files to pack
    measure.py clear  a folder removed

Results are kept run by run, and the file is replaced whole after each pair of commands, so that a comparison that was stopped goes
on where it was. In commands, `{out}` is a fresh folder; it is also in the environment as OUT.
"""

import argparse
import json
import os
import platform
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

# Many small files are left on disk until their peer is done with, while so much is free and they hold no more than that.
FREE_BYTES_MIN = 8 << 30
KEPT_BYTES_MAX = 1 << 30
# So many files are many. ext4 passes over inodes that were freed in the last minute, one by one, which makes new files many times
# slower: what makes many files is begun only when so many seconds have gone by since many were removed.
MANY = 1000
REST_SECONDS = 65
TIME = shutil.which("time")


class Failed(Exception):
    """A command that ended otherwise than it should."""


def machine():
    """What the numbers were made on."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"processor": model, "cores": os.cpu_count(), "memory_bytes": memory, "kernel": platform.release()}


def load(path):
    return json.loads(path.read_text()) if path.exists() else {}


def save(path, results):
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(results, indent=1) + "\n")
    beside.replace(path)


def end_group(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def timed(words, limit, out, stdout):
    """Runs one command to its end. Memory is asked of `time`: a child that Python forked counts Python's own pages as well."""
    with tempfile.NamedTemporaryFile("r") as peak, tempfile.TemporaryFile() as talk:
        wrapped = ([TIME, "-q", "-f", "%M", "-o", peak.name] if TIME else []) + words
        name, environment = Path(words[0]).name, dict(os.environ, OUT=str(out))
        start = time.monotonic()
        child = subprocess.Popen(
            wrapped, stdin=subprocess.DEVNULL, stdout=stdout, stderr=talk, env=environment, start_new_session=True
        )
        watch = threading.Timer(limit, end_group, [child.pid])
        watch.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            end_group(child.pid)
            raise
        finally:
            watch.cancel()
        wall = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if wall >= limit:
            raise Failed(f"{name}: not done after {limit:g} s")
        if child.returncode != 0:
            talk.seek(0)
            lines = talk.read().decode(errors="replace").strip().splitlines()
            raise Failed(f"{name}: exit code {child.returncode}: {lines[-1] if lines else 'it said nothing'}")
        words_of_time = peak.read().split()
        rss = int(words_of_time[-1]) * 1024 if words_of_time else None
    return {"wall": wall, "user": usage.ru_utime, "system": usage.ru_stime, "rss": rss}


def held(folder):
    """How many files a folder holds, and how many bytes."""
    sizes = [os.lstat(os.path.join(at, name)).st_size for at, _, names in os.walk(folder) for name in names]
    return len(sizes), sum(sizes)


def last_removal():
    """A file whose time of change is that of the last removal of many files."""
    return Path(os.environ["BENCH_LAST_REMOVAL"])


def remove(folder):
    count, _ = held(folder)
    shutil.rmtree(folder, ignore_errors=True)
    if count >= MANY:
        last_removal().touch()


def rest():
    if last_removal().exists():
        left = last_removal().stat().st_mtime + REST_SECONDS - time.time()
        if left > 0:
            print(f"  (many files were removed: {left:.0f} s of rest)", flush=True)
            time.sleep(left)


class Runner:
    """Runs commands, each in a fresh folder."""

    def __init__(self, out, limit):
        self.out, self.limit, self.number = Path(out), limit, 0
        self.clear()

    def clear(self):
        remove(self.out)
        self.out.mkdir(parents=True)

    def fresh(self):
        if shutil.disk_usage(self.out).free < FREE_BYTES_MIN:
            self.clear()
        self.number += 1
        folder = self.out / str(self.number)
        folder.mkdir()
        return folder

    def run(self, words, before=None, stdout=subprocess.DEVNULL, keep_small=True):
        """One run, and the folder that it filled. What was written before is on disk when it starts."""
        folder = self.fresh()
        if before:
            environment = dict(os.environ, OUT=str(folder))
            done = subprocess.run(["sh", "-c", before], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment)
            if done.returncode != 0:
                raise Failed(f"{before}: exit code {done.returncode}")
        os.sync()
        run = timed([word.replace("{out}", str(folder)) for word in words], self.limit, folder, stdout)
        return run, folder

    def drop_large(self, folder):
        """Large outputs go at once; many small files stay until the peer is done with, for the reason above."""
        count, size = held(folder)
        if size >= KEPT_BYTES_MAX or count < MANY:
            remove(folder)


def middle(runs, key):
    values = [run[key] for run in runs if run[key] is not None]
    return statistics.median(values) if values else None


def summary(runs):
    cpu = [run["user"] + run["system"] for run in runs]
    return {"wall": middle(runs, "wall"), "cpu": statistics.median(cpu), "rss": middle(runs, "rss"), "runs": runs}


def ratio(ours, theirs, key):
    """The median over pairs of how many times the other took."""
    cost = lambda run: run["wall"] if key == "wall" else run["user"] + run["system"]
    return statistics.median(cost(b) / max(cost(a), 1e-9) for a, b in zip(ours, theirs))


def last_word(words, runner, before):
    """What a command says: the last word on its standard output."""
    with tempfile.TemporaryFile() as said:
        _, folder = runner.run(words, before, stdout=said)
        said.seek(0)
        runner.drop_large(folder)
        return (said.read().decode(errors="replace").split() or [""])[-1]


def check(options, runner, ours, theirs):
    """One run of each to warm up, whose results must be right. Gives the peer's run, and how long both took."""
    if options.same_word:
        a, b = last_word(ours, runner, None), last_word(theirs, runner, options.before)
        if a != b:
            raise Failed(f"the results differ: {a} and {b}")
    took = []
    for words, before in ((ours, None), (theirs, options.before)):
        run, folder = runner.run(words, before)
        took.append(run)
        if options.expect_files is not None:
            found = held(folder)
            if found != (options.expect_files, options.expect_bytes):
                raise Failed(f"{words[0]}: {found[0]} files of {found[1]} bytes, not {options.expect_files} of {options.expect_bytes}")
        runner.drop_large(folder)
    return took


def measure_pair(options, ours, theirs):
    runner = Runner(options.out, options.limit)
    if options.many_files:
        rest()
    deadline = time.monotonic() + options.budget
    a, b = check(options, runner, ours, theirs)
    our_runs, their_runs = [], []
    if a["wall"] + b["wall"] > options.budget / 3:
        # A run this long is not changed by being the first.
        our_runs, their_runs = [a], [b]
    last = a["wall"] + b["wall"]
    while len(their_runs) < options.pairs and (not their_runs or time.monotonic() + last < deadline):
        if options.many_files:
            rest()
        for words, before, runs in ((ours, None, our_runs), (theirs, options.before, their_runs)):
            run, folder = runner.run(words, before)
            runs.append(run)
            runner.drop_large(folder)
    return our_runs, their_runs


def pair(options):
    at = options.command.index(":::")
    ours, theirs = options.command[:at], options.command[at + 1 :]
    # A command whose result is refused costs no more than this line.
    entry = {"version": options.version, "checks": options.checks, "commit": options.commit, "date": time.strftime("%F", time.gmtime())}
    try:
        our_runs, their_runs = measure_pair(options, ours, theirs)
        entry.update(cartool=summary(our_runs), peer=summary(their_runs))
        entry.update(ratio_wall=ratio(our_runs, their_runs, "wall"), ratio_cpu=ratio(our_runs, their_runs, "cpu"))
    except Failed as failure:
        entry["failed"] = str(failure)
    remove(options.out)
    path = Path(options.results)
    results = load(path)
    if results.get("scale") != options.scale:
        # Numbers of other input do not stand beside these.
        results = {"scale": options.scale}
    results["machine"] = machine()
    job = results.setdefault("jobs", {}).setdefault(options.job, {"peers": {}})
    job.update(title=options.title)
    job["peers"][options.peer] = entry
    save(path, results)
    print(line(options.peer, entry), flush=True)
    return 0


def size(count):
    return "?" if count is None else f"{count / (1 << 20):.0f} MiB"


def line(peer, entry):
    if "failed" in entry:
        return f"  {peer:24} LEFT OUT: {entry['failed']}"
    ours, theirs = entry["cartool"], entry["peer"]
    return (
        f"  {peer:24} {entry['ratio_wall']:7.2f}x wall {entry['ratio_cpu']:7.2f}x CPU   "
        f"wall {ours['wall']:.3f} : {theirs['wall']:.3f} s   CPU {ours['cpu']:.3f} : {theirs['cpu']:.3f} s   "
        f"memory {size(ours['rss'])} : {size(theirs['rss'])}   {len(theirs['runs'])} runs"
    )


def alone(options):
    runner = Runner(options.out, options.limit)
    runs = []
    for number in range(options.runs + 1):
        run, folder = runner.run(options.command)
        if options.expect_bytes is not None and held(folder)[1] != options.expect_bytes:
            raise Failed(f"{held(folder)[1]} bytes written, not {options.expect_bytes}")
        runner.drop_large(folder)
        # The first run warms up.
        if number:
            runs.append(run)
    entry = summary(runs)
    path = Path(options.results)
    results = load(path)
    results.update(machine=machine(), commit=options.commit, date=time.strftime("%F", time.gmtime()))
    results.setdefault("series", {}).setdefault(options.series, {})[str(options.blocks)] = entry
    save(path, results)
    print(f"  {options.series:8} {options.blocks:>9} blocks   CPU {entry['cpu']:.3f} s   wall {entry['wall']:.3f} s   "
          f"memory {size(entry['rss'])}", flush=True)
    return 0


def tree(options):
    """Files of bytes that do not repeat, the same for the same words, in a hundred folders."""
    noise = random.Random(1)
    for number in range(options.count):
        folder = Path(options.folder) / f"{number % 100:02}"
        if number < 100:
            folder.mkdir(parents=True)
        (folder / f"{number}.bin").write_bytes(noise.randbytes(options.len))
    return 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--results", required=True)
    common.add_argument("--commit", default="unknown")
    common.add_argument("--out", required=True, help="a folder for what is written; emptied")
    common.add_argument("--limit", type=float, default=600, help="seconds a run may take")
    common.add_argument("--expect-bytes", type=int)
    one = verbs.add_parser("pair", parents=[common])
    one.add_argument("--scale", type=float, default=1)
    one.add_argument("--job", required=True)
    one.add_argument("--title", required=True)
    one.add_argument("--peer", required=True)
    one.add_argument("--version", default="")
    one.add_argument("--checks", default="no", help="whether the peer checks the blocks' hashes: yes, no, or what it checks")
    one.add_argument("--pairs", type=int, default=7)
    one.add_argument("--budget", type=float, default=180, help="seconds after which no more pairs are begun")
    one.add_argument("--before", help="a shell command before each run of the peer, not measured")
    one.add_argument("--expect-files", type=int)
    one.add_argument("--many-files", action="store_true", help="one of both makes many files")
    one.add_argument("--same-word", action="store_true", help="both must say the same last word")
    one.add_argument("command", nargs="+", metavar="WORD", help="cartool's command, :::, the peer's")
    one.set_defaults(run=pair)
    series = verbs.add_parser("alone", parents=[common])
    series.add_argument("--series", required=True)
    series.add_argument("--blocks", type=int, required=True)
    series.add_argument("--runs", type=int, default=3)
    series.add_argument("command", nargs="+", metavar="WORD")
    series.set_defaults(run=alone)
    files = verbs.add_parser("tree")
    files.add_argument("folder")
    files.add_argument("count", type=int)
    files.add_argument("len", type=int)
    files.set_defaults(run=tree)
    folder = verbs.add_parser("clear")
    folder.add_argument("folder")
    folder.set_defaults(run=lambda options: remove(options.folder))
    return parser.parse_args()


if __name__ == "__main__":
    try:
        options = arguments()
        sys.exit(options.run(options))
    except Failed as failure:
        sys.exit(f"measure.py: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
