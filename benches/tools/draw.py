#!/usr/bin/env python3
"""Draws what compare.sh and growth.sh measured: an SVG that can be read on light and dark grounds, and a table in Markdown.

    draw.py comparison RESULTS.json CHART.svg [--by wall|cpu]
    draw.py growth     GROWTH.json  CHART.svg
"""

import argparse
import json
import math
import sys
from html import escape
from pathlib import Path

STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
  .ground { fill: #ffffff; }
  .head { font-size: 17px; font-weight: 600; }
  .job { font-weight: 600; }
  .soft { fill: #59636e; font-size: 12px; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .own { stroke: #1a7f37; stroke-width: 2; }
  .slower, .s0 { stroke: #0969da; fill: #0969da; }
  .faster, .s1 { stroke: #bc4c00; fill: #bc4c00; }
  .s2 { stroke: #8250df; fill: #8250df; }
  .bar { stroke-width: 5; }
  .curve { fill: none; stroke-width: 2; }
  .plain { stroke: none; }
  .right { text-anchor: end; }
  .middle { text-anchor: middle; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .ground { fill: #0d1117; }
    .soft { fill: #9198a1; }
    .grid { stroke: #3d444d; }
    .own { stroke: #3fb950; }
    .slower, .s0 { stroke: #4493f8; fill: #4493f8; }
    .faster, .s1 { stroke: #f0883e; fill: #f0883e; }
    .s2 { stroke: #ab7df8; fill: #ab7df8; }
  }
"""


class Drawing:
    """An SVG that grows downwards."""

    def __init__(self, width, title, description):
        self.width, self.parts, self.title, self.description = width, [], title, description

    def text(self, x, y, words, css=""):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{css}">{escape(words)}</text>')

    def line(self, x1, y1, x2, y2, css):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}"/>')

    def dot(self, x, y, css):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" class="{css} plain"/>')

    def curve(self, points, css):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" class="{css} curve" style="fill:none"/>')

    def write(self, path, height):
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {height:.0f}" width="{self.width}" '
            f'height="{height:.0f}" role="img">\n<title>{escape(self.title)}</title>\n<desc>{escape(self.description)}</desc>\n'
            f'<style>{STYLE}</style>\n<rect class="ground" width="100%" height="100%" rx="6"/>\n'
        )
        Path(path).write_text(head + "\n".join(self.parts) + "\n</svg>\n")


def seconds(value):
    if value >= 100:
        return f"{value:.0f} s"
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def memory(count):
    if count is None:
        return "–"
    if count >= 10 << 30:
        return f"{count / (1 << 30):.0f} GiB"
    if count >= 1 << 30:
        return f"{count / (1 << 30):.1f} GiB"
    return f"{count / (1 << 20):.0f} MiB"


def times(ratio):
    return f"{ratio:.0f}×" if ratio >= 20 else f"{ratio:.1f}×" if ratio >= 2 else f"{ratio:.2f}×"


def about(machine):
    gib = machine["memory_bytes"] / (1 << 30)
    return f"{machine['processor']}, {machine['cores']} cores, {gib:.0f} GiB of memory, Linux {machine['kernel'].split('-')[0]}"


def in_order(jobs):
    """Jobs of one verb together, whenever they were measured."""
    verbs = ["verify", "extract", "create", "hash", "merge", "index"]
    return sorted(jobs.items(), key=lambda item: verbs.index(item[0].split("-")[0]))


def measured(job):
    return {peer: entry for peer, entry in job["peers"].items() if "failed" not in entry}


def own(job, key):
    """What cartool took beside all the peers of a job."""
    values = sorted(entry["cartool"][key] for entry in measured(job).values() if entry["cartool"][key] is not None)
    return values[len(values) // 2] if values else None


def ticks(low, high):
    """1, 2 and 5 of each power of ten, and what lies between two times two."""
    found = [m * 10.0**e for e in range(-3, 5) for m in (1, 2, 5)]
    return [tick for tick in found if low <= tick <= high]


def comparison(results, path, by):
    jobs = {name: job for name, job in in_order(results["jobs"]) if measured(job)}
    if not jobs:
        sys.exit("draw.py: nothing was measured")
    ratios = [entry[f"ratio_{by}"] for job in jobs.values() for entry in measured(job).values()]
    low, high = min(0.5, min(ratios) / 1.15), max(2, max(ratios) * 1.15)
    left, right, width = 150, 560, 820
    place = lambda ratio: left + (right - left) * math.log(ratio / low) / math.log(high / low)
    what = "wall time" if by == "wall" else "CPU time"
    drawing = Drawing(width, f"{what} of other programs, as multiples of cartool's", "The table in benches/README.md has the numbers.")
    drawing.text(20, 32, f"How many times cartool's {what} others take", "head")
    scale = "" if results["scale"] == 1 else f"Input of {results['scale']:g} times the usual size. "
    drawing.text(20, 52, about(results["machine"]), "soft")
    drawing.text(20, 70, f"{scale}Medians of pairs, input in the page cache.", "soft")
    drawing.text(20, 88, "Right of the line: cartool is faster. The axis is logarithmic.", "soft")
    y = 118
    for column, words in ((616, "ratio"), (696, what), (800, "peak memory")):
        drawing.text(column, y, words, "soft right")
    for tick in ticks(low, high):
        drawing.text(place(tick), y, f"{tick:g}×", "soft middle")
    for job in jobs.values():
        y += 34
        drawing.text(20, y, job["title"], "job")
        drawing.text(616, y, "cartool", "job right")
        drawing.text(696, y, seconds(own(job, by)), "job right")
        drawing.text(800, y, memory(own(job, "rss")), "job right")
        for tick in ticks(low, high):
            drawing.line(place(tick), y + 6, place(tick), y + 6 + 21 * len(measured(job)), "own" if tick == 1 else "grid")
        for peer, entry in sorted(measured(job).items(), key=lambda item: item[1][f"ratio_{by}"]):
            y += 21
            ratio = entry[f"ratio_{by}"]
            css = "slower" if ratio >= 1 else "faster"
            drawing.text(left - 14, y, peer, "right")
            drawing.line(place(1), y - 4, place(ratio), y - 4, f"{css} bar")
            drawing.dot(place(ratio), y - 4, css)
            drawing.text(616, y, times(ratio), "right")
            drawing.text(696, y, seconds(entry["peer"][by]), "right")
            drawing.text(800, y, memory(entry["peer"]["rss"]), "right")
    drawing.write(path, y + 28)
    print_comparison(results)


def print_comparison(results):
    print(f"{about(results['machine'])}; scale {results['scale']:g}. cartool : peer, medians; memory is the peak of resident pages.\n")
    print("| job | peer | version | checks hashes | wall ratio | CPU ratio | wall | CPU | memory | runs | commit, date |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, job in in_order(results["jobs"]):
        for peer, entry in job["peers"].items():
            start = f"| {name} | {peer} | {entry['version']} | {entry['checks']} |"
            end = f"{entry['commit']}, {entry['date']} |"
            if "failed" in entry:
                print(f"{start} left out: {entry['failed']} ||||||| {end}".replace("|||||||", "| | | | | |"))
                continue
            ours, theirs = entry["cartool"], entry["peer"]
            both = [f"{show(ours[key])} : {show(theirs[key])}" for key, show in (("wall", seconds), ("cpu", seconds), ("rss", memory))]
            print(
                f"{start} **{times(entry['ratio_wall'])}** | {times(entry['ratio_cpu'])} | {' | '.join(both)} | "
                f"{len(theirs['runs'])} | {end}"
            )


def panel(drawing, y, title, unit, curves, show):
    """One plot of growth, both axes logarithmic, from `y` on. Gives where it ends."""
    left, right, height = 90, 640, 230
    xs = sorted({x for points in curves.values() for x, _ in points})
    values = [value for points in curves.values() for _, value in points]
    low = 10 ** math.floor(math.log10(min(values)))
    high = 10 ** math.ceil(math.log10(max(values) * 1.01))
    at_x = lambda x: left + (right - left) * math.log(x / xs[0]) / max(math.log(xs[-1] / xs[0]), 1e-9)
    at_y = lambda value: y + 40 + height - height * math.log(value / low) / math.log(high / low)
    drawing.text(20, y + 14, title, "job")
    drawing.text(20, y + 30, unit, "soft")
    tick = low
    while tick <= high * 1.001:
        drawing.line(left, at_y(tick), right, at_y(tick), "grid")
        drawing.text(left - 8, at_y(tick) + 4, show(tick), "soft right")
        tick *= 10
    for x in xs:
        drawing.line(at_x(x), at_y(low), at_x(x), at_y(low) + 5, "grid")
        drawing.text(at_x(x), at_y(low) + 20, f"{x:,}", "soft middle")
    labels = []
    for number, (name, points) in enumerate(curves.items()):
        drawing.curve([(at_x(x), at_y(value)) for x, value in points], f"s{number}")
        for x, value in points:
            drawing.dot(at_x(x), at_y(value), f"s{number}")
        labels.append([at_y(points[-1][1]) + 4, name, number])
    labels.sort()
    for before, after in zip(labels, labels[1:]):
        after[0] = max(after[0], before[0] + 16)
    for label_y, name, number in labels:
        drawing.text(right + 14, label_y, name, f"s{number} plain")
    drawing.text((left + right) / 2, at_y(low) + 38, "blocks", "soft middle")
    return y + 40 + height + 60


def growth(results, path):
    series = {
        name: sorted((int(blocks), entry) for blocks, entry in points.items()) for name, points in results["series"].items()
    }
    drawing = Drawing(760, "Time and memory against the number of blocks", "The table in benches/README.md has the numbers.")
    drawing.text(20, 32, "Time and memory against the number of blocks", "head")
    drawing.text(20, 52, about(results["machine"]), "soft")
    drawing.text(20, 70, "Blocks of 100 bytes. Both axes are logarithmic: a straight line that climbs one decade a decade is linear.", "soft")
    cpu = {name: [(blocks, max(entry["cpu"], 1e-4)) for blocks, entry in points] for name, points in series.items()}
    y = panel(drawing, 92, "CPU time", "seconds, user and system", cpu, lambda value: f"{value:g}")
    rss = {name: [(blocks, entry["rss"] / (1 << 20)) for blocks, entry in points if entry["rss"]] for name, points in series.items()}
    rss = {name: points for name, points in rss.items() if points}
    if rss:
        y = panel(drawing, y, "Peak memory", "MiB of resident pages", rss, lambda value: f"{value:g}")
    drawing.write(path, y)
    print(f"{about(results['machine'])}; commit {results['commit']}, {results['date']}.\n")
    print("| | blocks | CPU | CPU a block | wall | peak memory | bytes a block above the smallest |")
    print("|---|---|---|---|---|---|---|")
    for name, points in series.items():
        base = points[0][1]["rss"]
        for blocks, entry in points:
            more = "–" if base is None or blocks == points[0][0] else f"{(entry['rss'] - base) / (blocks - points[0][0]):.0f}"
            print(
                f"| {name} | {blocks:,} | {seconds(entry['cpu'])} | {entry['cpu'] / blocks * 1e9:,.0f} ns | {seconds(entry['wall'])} | "
                f"{memory(entry['rss'])} | {more} |"
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["comparison", "growth"])
    parser.add_argument("results", type=Path)
    parser.add_argument("chart")
    parser.add_argument("--by", choices=["wall", "cpu"], default="wall")
    options = parser.parse_args()
    results = json.loads(options.results.read_text())
    if options.what == "comparison":
        comparison(results, options.chart, options.by)
    else:
        growth(results, options.chart)


if __name__ == "__main__":
    main()
