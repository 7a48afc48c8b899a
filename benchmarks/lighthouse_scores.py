"""Scores of Lighthouse for the gallery, with photographs in it.

    python -m benchmarks.lighthouse_scores --images 1000               # brings its own servers
    python -m benchmarks.lighthouse_scores --url http://127.0.0.1:8000 # a service that has images

Lighthouse comes from npm into a temporary folder, and runs the Chromium on PATH. Its mobile profile simulates a slow
processor and 1.6 Mbit/s with 150 ms of latency. The photographs are parts of those of scikit-image.
"""

import argparse
import functools
import io
import json
import os
import re
import secrets
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import skimage
from PIL import Image

from benchmarks.service import servers, service

PACKAGE = "lighthouse@12"
SOURCES = ("astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "rocket.jpg", "retina.jpg")
TAGS = ("animal", "coffee", "holiday", "night", "portrait", "space", "street", "winter")
SHAPES = ((480, 320), (400, 400), (320, 480), (480, 270))
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
METRICS = ("first-contentful-paint", "largest-contentful-paint", "total-blocking-time", "cumulative-layout-shift")
PROFILES: dict[str, tuple[str, ...]] = {"mobile": (), "desktop": ("--preset=desktop",)}
CHROME_FLAGS = "--headless=new --no-sandbox --disable-gpu"


def photographs(number: int, seed: int) -> Iterator[bytes]:
    """Yield JPEG files of different parts of the photographs."""
    random, folder = np.random.default_rng(seed), Path(skimage.__file__).parent / "data"
    sources = [Image.open(folder / name).convert("RGB").resize((960, 960)) for name in SOURCES]
    for at in range(number):
        width, height = SHAPES[at % len(SHAPES)]
        left, top = (int(random.integers(960 - side)) for side in (width, height))
        file = io.BytesIO()
        sources[at % len(sources)].crop((left, top, left + width, top + height)).save(file, "JPEG", quality=85)
        yield file.getvalue()


def fill(url: str, images: int) -> None:
    """Upload the photographs with a new account, and read the thumbnails of the first page once."""
    random = np.random.default_rng(2)
    account = {"email": f"{secrets.token_hex(8)}@example.com", "password": secrets.token_urlsafe()}
    with httpx.Client(base_url=url, timeout=60) as client:
        client.post("/v1/users", json=account).raise_for_status()
        form = {"grant_type": "password", "username": account["email"], "password": account["password"]}
        token = client.post("/v1/auth/token", data=form).raise_for_status().json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        for at, content in enumerate(photographs(images, 1)):
            tags = ", ".join(random.choice(TAGS, 3, replace=False))
            file = {"image": (f"photograph {at}.jpg", content)}
            client.post("/v1/images", files=file, data={"tags": tags}).raise_for_status()
        for path in re.findall(r'src="(/v1/images/[^"]+)"', client.get("/").text):
            client.get(path).raise_for_status()


@contextmanager
def lighthouse() -> Iterator[Path]:
    """Install Lighthouse; yield its program."""
    with tempfile.TemporaryDirectory(prefix="imts-lighthouse-") as folder:
        Path(folder, "package.json").write_text('{"private": true}')
        install = ["npm", "install", "--no-save", "--no-audit", "--no-fund", PACKAGE]
        subprocess.run(install, cwd=folder, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - a constant
        yield Path(folder, "node_modules/.bin/lighthouse")


def audit(program: Path, url: str, profile: str) -> dict[str, Any]:
    """Return the report of one run. Lighthouse asks for another run if Chromium did not record its first one."""
    chrome = shutil.which("chromium") or shutil.which("google-chrome") or ""
    command = [str(program), url, "--quiet", "--output=json", f"--chrome-flags={CHROME_FLAGS}", *PROFILES[profile]]
    command += [f"--only-categories={','.join(CATEGORIES)}"]
    run = functools.partial(subprocess.run, command, env={**os.environ, "CHROME_PATH": chrome}, stdout=subprocess.PIPE)
    done = run()
    if done.returncode != 0:
        done = run(check=True)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def measure(program: Path, url: str, runs: int) -> None:
    """Print the medians of each page and profile as a table in Markdown, then the audits that lower a score."""
    print(f"| page | profile | {' | '.join((*CATEGORIES, *METRICS))} |\n{'|---' * (2 + len(CATEGORIES + METRICS))}|")
    low: set[str] = set()
    first = re.search(r'<a href="(/i/[^"]+)">', httpx.get(url).text)
    for name, path in (("grid", "/"), ("search", "/?q=space"), ("image", first[1] if first else "/")):
        for profile in PROFILES:
            reports = [audit(program, url + path, profile) for _ in range(runs)]
            cells = [str(statistics.median(_score(one, category) for one in reports)) for category in CATEGORIES]
            cells += [_median(reports, metric) for metric in METRICS]
            print(f"| {name} | {profile} | {' | '.join(cells)} |", flush=True)
            low |= {f"{name}: {audit}" for audit in _failed(reports[-1])}
    print("\n".join(("", *sorted(low))))


def _score(report: dict[str, Any], category: str) -> int:
    return round(100 * float(report["categories"][category]["score"]))


def _median(reports: list[dict[str, Any]], metric: str) -> str:
    value = statistics.median(one["audits"][metric]["numericValue"] for one in reports)
    return f"{value:.3f}" if metric == "cumulative-layout-shift" else f"{value:.0f} ms"


def _failed(report: dict[str, Any]) -> Iterator[str]:
    for category in report["categories"].values():
        for one in category["auditRefs"]:
            found = report["audits"][one["id"]]
            if one["weight"] and found["score"] is not None and found["score"] < 0.9:
                yield f"{found['title']} ({found.get('displayValue', 'failed')})"


def main() -> None:
    """Measure the grid, a search and an image."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--url", help="measure a service that runs, instead of starting one")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with lighthouse() as program:
        if options.url:
            measure(program, options.url, options.runs)
            return
        with servers({}), service() as url:
            fill(url, options.images)
            measure(program, url, options.runs)


if __name__ == "__main__":
    main()
