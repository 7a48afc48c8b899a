"""Plots latency against the number of images, from the results of `benchmarks.search --save`."""

import json
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

CLASSES = ("1 tag", "2 tags AND", "A -B", "2-of", "wildcard", "sorts, rare pair", "autocomplete, 1")


def plot(directory: Path) -> None:
    """Draw `search.svg` in the directory: p50 as a dotted line, p99 as a solid one, the naive SQL in grey."""
    kept = sorted(
        (json.loads(path.read_text()) for path in directory.glob("search-*.json")), key=lambda one: one["images"]
    )
    mpl.rcParams["svg.hashsalt"] = "search"  # the same numbers give the same file
    figure, axes = plt.subplots(figsize=(8, 5))
    sizes = [one["images"] for one in kept]
    for number, kind in enumerate(CLASSES):
        for key, style in (("p99", "-o"), ("p50", ":")):
            label = kind if key == "p99" else None
            axes.plot(sizes, [one["http"][kind][key] for one in kept], style, color=f"C{number}", label=label)
    naive = [one["naive"]["2 tags AND"]["p99"] for one in kept]
    axes.plot(sizes, naive, "--s", color="grey", label="2 tags AND, naive SQL")
    axes.set(xscale="log", yscale="log", xlabel="images", ylabel="milliseconds: p99 (lines), p50 (dots)")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(directory / "search.svg", metadata={"Date": None})
    plt.close(figure)
