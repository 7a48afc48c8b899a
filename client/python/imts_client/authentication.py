"""Signs requests: with a token, or with an e-mail address and a password."""

import time
from collections.abc import AsyncGenerator, Generator
from typing import TypeAlias

import httpx

from .retry import can_send_again

# A token is renewed before it expires, since the body of a long upload is sent once.
_EARLY_SECONDS = 60

Flow: TypeAlias = Generator[httpx.Request, httpx.Response, None]


class TokenAuth(httpx.Auth):
    """Signs requests with an access token or an API key."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Flow:
        """Add the token."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


class PasswordAuth(httpx.Auth):
    """Signs in with a password, refreshes the access token, and signs in again after the session has ended.

    If the service refuses to sign in, its response is the one to the request.
    """

    def __init__(self, email: str, password: str) -> None:
        self._email = email
        self._password = password
        self._access_token: str | None = None
        self._refresh_token: str | None = None
        self._renew_at = 0.0

    def auth_flow(self, request: httpx.Request) -> Flow:
        """Send a request with a valid access token."""
        if self._access_token is None or time.monotonic() >= self._renew_at:
            yield from self._renew(request.url)
        if self._access_token is None:
            return
        used = self._access_token
        request.headers["Authorization"] = f"Bearer {used}"
        response = yield request
        if response.status_code != httpx.codes.UNAUTHORIZED or not can_send_again(request):
            return
        # Another request may have renewed the token meanwhile.
        if self._access_token == used:
            yield from self._renew(request.url)
        if self._access_token is not None:
            request.headers["Authorization"] = f"Bearer {self._access_token}"
            yield request

    def sync_auth_flow(self, request: httpx.Request) -> Flow:
        """Read the responses with tokens, and leave the other ones to the caller."""
        flow = self.auth_flow(request)
        outgoing = next(flow, None)
        while outgoing is not None:
            response = yield outgoing
            if outgoing is not request:
                response.read()
            outgoing = _send(flow, response)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """The same for asyncio."""
        flow = self.auth_flow(request)
        outgoing = next(flow, None)
        while outgoing is not None:
            response = yield outgoing
            if outgoing is not request:
                await response.aread()
            outgoing = _send(flow, response)

    def _renew(self, url: httpx.URL) -> Flow:
        """Replace the access token; None if the service refuses the password."""
        refresh_token, self._access_token, self._refresh_token = self._refresh_token, None, None
        if refresh_token is not None:
            self._accept((yield _token_request(url, grant_type="refresh_token", refresh_token=refresh_token)))
        if self._access_token is None:
            form = {"grant_type": "password", "username": self._email, "password": self._password}
            self._accept((yield _token_request(url, **form)))

    def _accept(self, response: httpx.Response) -> None:
        if response.status_code == httpx.codes.OK:
            tokens = response.json()
            self._access_token, self._refresh_token = tokens["access_token"], tokens["refresh_token"]
            self._renew_at = time.monotonic() + tokens["expires_in"] - _EARLY_SECONDS


def _token_request(url: httpx.URL, **form: str) -> httpx.Request:
    # The service may have a path of its own before /v1.
    prefix = url.path.partition("/v1/")[0]
    return httpx.Request("POST", url.copy_with(path=f"{prefix}/v1/auth/token", query=None), data=form)


def _send(flow: Flow, response: httpx.Response) -> httpx.Request | None:
    try:
        return flow.send(response)
    except StopIteration:
        return None
