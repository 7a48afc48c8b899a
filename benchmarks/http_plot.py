"""Plots a result of benchmarks.http.

python -m benchmarks.http_plot docs/performance/http.json docs/performance/http.svg
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt


def main(source: Path, target: Path) -> None:
    """Draw the rates as one bar for each subject."""
    # The same numbers give the same file.
    mpl.rcParams["svg.hashsalt"] = "imts"
    rows = json.loads(source.read_text())["rows"][::-1]
    figure, axes = plt.subplots(figsize=(8, 0.3 * len(rows) + 1))
    colours = ["tab:grey" if row["subject"].startswith("bare") else "tab:blue" for row in rows]
    bars = axes.barh([row["subject"] for row in rows], [row["rate"] for row in rows], color=colours)
    axes.bar_label(bars, fmt="%.0f", padding=3, fontsize=8)
    axes.set_xlabel("requests a second, 16 connections (higher is better)")
    axes.margins(x=0.12)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
