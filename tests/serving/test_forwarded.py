"""The client's address behind a trusted proxy."""

from collections.abc import AsyncIterator, Callable

import pytest
from pydantic import ValidationError

from app.core.settings import Settings
from tests.support.accounts import PASSWORD, Account
from tests.support.raw_http import raw_connection
from tests.support.server import RunningService, running_service

PEER = "127.0.0.1"
FORM = "Content-Type: application/x-www-form-urlencoded"


@pytest.fixture
async def behind_proxy(service: RunningService, settings: Settings) -> AsyncIterator[RunningService]:
    """A service that trusts this host as its proxy. The fixture `service` has emptied the tables."""
    del service
    async with running_service(settings.model_copy(update={"trusted_proxies": [PEER, "10.0.0.0/8"]})) as running:
        yield running


NO_ADDRESSES = ["", ",", "unknown", "_hidden", "1.2.3", "[::1", "fe80::1%a", "\xe9\xff", "a" * 8000]
ADDRESSES = [
    (["203.0.113.9"], "203.0.113.9"),
    (["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
    (["203.0.113.9, 10.1.2.3"], "203.0.113.9"),
    # Each proxy may add a line of its own.
    (["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
    (["203.0.113.9:4711"], "203.0.113.9"),
    (["[2001:db8::1]:4711"], "2001:db8::1"),
    (["2001:db8::1"], "2001:db8::1"),
    # As if the field were absent.
    *(([value], PEER) for value in NO_ADDRESSES),
    (["203.0.113.9", "nonsense"], PEER),
]


async def test_k04_only_addresses_are_read_from_x_forwarded_for(behind_proxy: RunningService, user: Account) -> None:
    body = f"grant_type=password&username={user.email}&password={PASSWORD.replace(' ', '+')}".encode()
    start = ["POST /v1/auth/token HTTP/1.1", "Host: x", FORM, f"Content-Length: {len(body)}"]
    found = []
    async with raw_connection(behind_proxy.url) as connection:
        for lines, _ in ADDRESSES:
            head = "\r\n".join([*start, *(f"X-Forwarded-For: {line}" for line in lines), "", ""])
            await connection.send(head.encode("latin-1") + body)
            token = (await connection.read_response()).json()["access_token"]
            signed_in = {"Authorization": f"Bearer {token}"}
            sessions = (await user.client.get("/v1/users/me/sessions", headers=signed_in)).json()["items"]
            found.append(next(session["address"] for session in sessions if session["current"]))
    assert found == [address for _, address in ADDRESSES]


@pytest.mark.parametrize("value", ["*", "proxy.example", "10.0.0.1/8", "10.0.0"])
def test_k04_a_trusted_proxy_is_an_address_or_a_network(make_settings: Callable[..., Settings], value: str) -> None:
    assert make_settings(trusted_proxies="10.0.0.1, 2001:db8::/32").trusted_proxies == ["10.0.0.1", "2001:db8::/32"]
    with pytest.raises(ValidationError, match="neither an address nor a network"):
        make_settings(trusted_proxies=f"127.0.0.1,{value}")
