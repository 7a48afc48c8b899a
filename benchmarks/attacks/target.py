"""The service under attack, and clients that send malformed or slow requests, as no library does."""

import contextlib
import io
import json
import socket
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Thread
from urllib.parse import urlencode, urlsplit

from PIL import Image

from benchmarks.service import Client

ATTACKER, HONEST = "192.0.2.66", "198.51.100.7"
PASSWORD = "correct horse battery staple"  # noqa: S105 - of throw-away accounts
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SOCKET_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Target:
    """The address of a service, the tokens of the attacker's accounts, and the time to stop at (`time.monotonic`)."""

    url: str
    tokens: Sequence[str]
    end: float

    @property
    def is_over(self) -> bool:
        """Whether the attack's time is over."""
        return time.monotonic() > self.end

    def client(self, token: int | None = None) -> "Sender":
        """Return a client at the attacker's address, with the token of one of its accounts."""
        return Sender(self.url, ATTACKER, None if token is None else self.tokens[token])

    def connect(self) -> socket.socket:
        """Return a plain connection."""
        parts = urlsplit(self.url)
        return socket.create_connection((parts.hostname, parts.port), SOCKET_SECONDS)

    def repeat(self, act: Callable[[], object]) -> None:
        """Repeat `act` until the time is over, after any response or disconnection."""
        while not self.is_over:
            with contextlib.suppress(OSError):
                act()

    def in_threads(self, number: int, act: Callable[[int], object]) -> None:
        """Repeat `act` in this many threads. Each thread gets its number."""
        threads = [Thread(target=self.repeat, args=(lambda n=n: act(n),)) for n in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


class Sender:
    """A client with an address and an optional token."""

    def __init__(self, url: str, address: str, token: str | None = None) -> None:
        self._client = Client(url, address)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def send(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}) -> int:
        """Return the status."""
        return self._client.send(method, path, body, {**self._headers, **headers})[0]

    def read(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}) -> bytes:
        """Return the body of the response."""
        return self._client.send(method, path, body, {**self._headers, **headers})[1]

    def post(self, path: str, document: object) -> int:
        """Post JSON; return the status."""
        return self.send("POST", path, json.dumps(document).encode(), JSON)

    def sign_in(self, email: str, password: str = PASSWORD) -> int:
        """Request tokens; return the status."""
        form = {"grant_type": "password", "username": email, "password": password}
        return self.send("POST", "/v1/auth/token", urlencode(form).encode(), FORM)

    def upload(self, content: bytes, **fields: str) -> tuple[int, bytes]:
        """Upload a file under a new name; return status and body."""
        body, headers = upload_form(content, **fields)
        return self._client.send("POST", "/v1/images", body, {**self._headers, **headers})


def upload_form(content: bytes, **fields: str) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of an upload."""
    boundary = uuid.uuid4().hex
    part = f"--{boundary}\r\nContent-Disposition: form-data; "
    parts = [f'{part}name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    parts.append(f'{part}name="image"; filename="{boundary}.jpg"\r\n\r\n')
    body = "".join(parts).encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def open_account(url: str, address: str) -> tuple[str, str]:
    """Sign up and sign in; return the e-mail and the access token."""
    sender, email = Sender(url, address), f"{uuid.uuid4().hex}@example.com"
    status = sender.post("/v1/users", {"email": email, "password": PASSWORD})
    form = {"grant_type": "password", "username": email, "password": PASSWORD}
    body = sender.read("POST", "/v1/auth/token", urlencode(form).encode(), FORM)
    if status != 201:
        raise RuntimeError(f"sign-up was answered with {status}")
    return email, str(json.loads(body)["access_token"])


def small_image(kind: str = "PNG") -> bytes:
    """Return a small picture. Each call returns a different one."""
    buffer = io.BytesIO()
    Image.effect_noise((16, 16), 50).save(buffer, kind)
    return buffer.getvalue()
