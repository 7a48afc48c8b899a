"""`make demo`: a dozen real photographs in the gallery. Starts a service unless one runs at --url."""

import argparse
import contextlib
import hashlib
import secrets
import subprocess
import sys
import time
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import httpx
import skimage

PHOTOS = {
    "astronaut.png": "portrait, person, space, nasa",
    "camera.png": "person, camera, monochrome",
    "cell.png": "microscope, science, monochrome",
    "chelsea.png": "cat, animal, portrait",
    "coffee.png": "coffee, cup, table, still life",
    "coins.png": "coins, museum, monochrome",
    "hubble_deep_field.jpg": "space, galaxy, telescope, science",
    "ihc.png": "microscope, science, tissue",
    "moon.png": "space, moon, monochrome",
    "motorcycle_left.png": "motorcycle, vehicle, garage",
    "retina.jpg": "eye, science, medicine",
    "rocket.jpg": "space, rocket, launch, vehicle",
}
QUERIES = ("space", "space -science", "portrait NOT cat", "monochrome")
START_SECONDS = 60


def main() -> None:
    """Upload, search, download and compare; print each step."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--url", default="http://127.0.0.1:8000")
    url = arguments.parse_args().url
    with service_at(url), httpx.Client(base_url=url, timeout=30) as client:
        sign_in(client)
        upload_all(client)
        search(client)
        compare_one(client)
        show(url)


def show(url: str) -> None:
    """Open the gallery in a browser, and serve it until Ctrl-C. Without a terminal, do neither."""
    print(f"gallery: {url}")
    if not sys.stdin.isatty():
        return
    webbrowser.open(url)
    print("Press Ctrl-C to stop.")
    with contextlib.suppress(KeyboardInterrupt):
        while responses(url):
            time.sleep(1)


@contextlib.contextmanager
def service_at(url: str) -> Iterator[None]:
    """Use the service that answers at `url`, or start one for as long as the demo takes."""
    if responses(url):
        print(f"using the service at {url}")
        yield
        return
    print("no service runs: starting one on embedded servers")
    port = str(httpx.URL(url).port or 8000)
    process = subprocess.Popen([sys.executable, "-m", "app", "dev", "--no-reload", "--port", port])
    try:
        deadline = time.monotonic() + START_SECONDS
        while not responses(url):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit("the service failed to start")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


def responses(url: str) -> bool:
    """Return whether a service responds."""
    try:
        return httpx.get(f"{url}/healthz", timeout=2).is_success
    except httpx.TransportError:
        return False


def sign_in(client: httpx.Client) -> None:
    """Sign up with a new account and keep the token."""
    email, password = f"demo-{secrets.token_hex(4)}@example.com", secrets.token_urlsafe()
    client.post("/v1/users", json={"email": email, "password": password}).raise_for_status()
    form = {"grant_type": "password", "username": email, "password": password}
    token = client.post("/v1/auth/token", data=form).raise_for_status().json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    print(f"signed up as {email}")


def upload_all(client: httpx.Client) -> None:
    """Upload every photograph that is not stored yet."""
    for name, tags in PHOTOS.items():
        response = client.post("/v1/images", files={"image": (name, photo(name))}, data={"tags": tags})
        if response.status_code == httpx.codes.CONFLICT:
            print(f"  {name}: already stored as {response.json()['image']}")
            continue
        image = response.raise_for_status().json()
        print(f"  {name}: {image['width']} x {image['height']}, {image['size']} bytes, {', '.join(image['tags'])}")


def search(client: httpx.Client) -> None:
    """Print the results of some queries."""
    for query in QUERIES:
        page = client.get("/v1/images", params={"q": query}).raise_for_status().json()
        print(f"  {query!r} finds {', '.join(sorted(image['name'] for image in page['items']))}")


def compare_one(client: httpx.Client) -> None:
    """Download a photograph and compare it with the file, byte by byte."""
    found = client.get("/v1/images", params={"q": "cat portrait"}).raise_for_status().json()["items"]
    image = next(one for one in found if one["name"] == "chelsea.png")
    content = client.get(image["links"]["content"]).raise_for_status().content
    if content != photo("chelsea.png"):
        sys.exit("the content of chelsea.png has changed")
    print(f"chelsea.png is unchanged: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


def photo(name: str) -> bytes:
    """Return one of the photographs that scikit-image ships."""
    return (Path(skimage.__file__).parent / "data" / name).read_bytes()


if __name__ == "__main__":
    main()
