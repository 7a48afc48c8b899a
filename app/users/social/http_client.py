"""HTTP to identity providers: bounded in time and size, with errors that say whose fault it is."""

import json
from typing import Any
from urllib.parse import quote_plus

import httpx

from app.core.errors import SocialLoginFailed
from app.users.errors import IdentityProviderUnavailable

TIMEOUT = 2.0
MAX_ANSWER_BYTES = 512 * 1024


class ProviderHttp:
    """Asks providers for JSON. Redirects are not followed: every address is one that was configured or discovered."""

    def __init__(self) -> None:
        self._client = httpx.AsyncClient(timeout=TIMEOUT, headers={"Accept": "application/json"}, trust_env=False)

    async def get(self, url: str, bearer: str | None = None) -> Any:
        """Return the JSON at `url`. Raises SocialLoginFailed, IdentityProviderUnavailable."""
        return await self._ask("GET", url, headers={"Authorization": f"Bearer {bearer}"} if bearer else {})

    async def post(self, url: str, form: dict[str, str], client: tuple[str, str] | None = None) -> Any:
        """Return the JSON that a form is answered with; `client` goes by HTTP Basic (RFC 6749, section 2.3.1)."""
        auth = httpx.BasicAuth(quote_plus(client[0]), quote_plus(client[1])) if client else None
        return await self._ask("POST", url, data=form, auth=auth)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def _ask(self, method: str, url: str, **options: Any) -> Any:
        try:
            async with self._client.stream(method, url, **options) as answer:
                body = await _read(answer)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise IdentityProviderUnavailable from error
        if answer.status_code >= 500 or answer.status_code == 429:
            raise IdentityProviderUnavailable
        if answer.status_code != 200:
            raise SocialLoginFailed("The identity provider refused the authorization code")
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise IdentityProviderUnavailable("The identity provider's response is not JSON") from error


async def _read(answer: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise IdentityProviderUnavailable("The identity provider's response is too large")
    return bytes(body)
