"""The HTTP client for identity providers, with limits for time and size."""

import json
from typing import Any
from urllib.parse import quote_plus

import httpx

from app.users.errors import IdentityProviderUnavailable, SocialLoginFailed

TIMEOUT = 2.0
MAX_RESPONSE_BYTES = 512 * 1024


class ProviderHttpClient:
    """Requests JSON. It follows no redirect, so that every URL is one that was configured or discovered."""

    def __init__(self) -> None:
        self._client = httpx.AsyncClient(timeout=TIMEOUT, headers={"Accept": "application/json"}, trust_env=False)

    async def get(self, url: str, bearer: str | None = None) -> Any:
        """Return the JSON at `url`. Raises SocialLoginFailed, IdentityProviderUnavailable."""
        return await self._request("GET", url, headers={"Authorization": f"Bearer {bearer}"} if bearer else {})

    async def post(self, url: str, form: dict[str, str], client: tuple[str, str] | None = None) -> Any:
        """Send a form and return the JSON; `client` is sent by HTTP Basic (RFC 6749, 2.3.1). Raises as `get`."""
        auth = httpx.BasicAuth(quote_plus(client[0]), quote_plus(client[1])) if client else None
        return await self._request("POST", url, data=form, auth=auth)

    async def close(self) -> None:
        await self._client.aclose()

    async def _request(self, method: str, url: str, **options: Any) -> Any:
        try:
            async with self._client.stream(method, url, **options) as response:
                body = await _read(response)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise IdentityProviderUnavailable from error
        if response.status_code >= 500 or response.status_code == 429:
            raise IdentityProviderUnavailable
        if response.status_code != 200:
            raise SocialLoginFailed("The identity provider refused the authorization code")
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise IdentityProviderUnavailable("The identity provider's response is not JSON") from error


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_RESPONSE_BYTES:
            raise IdentityProviderUnavailable("The identity provider's response is too large")
    return bytes(body)
