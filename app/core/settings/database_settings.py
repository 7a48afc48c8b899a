"""Settings of PostgreSQL."""

from functools import cached_property
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import BaseModel, NonNegativeInt, PositiveInt, SecretStr, field_validator

# Parameters of a PostgreSQL address, and their names in the driver.
_PARAMETERS = {
    "sslmode": "ssl",
    "ssl": "ssl",
    "host": "host",
    "port": "port",
    "target_session_attrs": "target_session_attrs",
    "prepared_statement_cache_size": "prepared_statement_cache_size",
}


class DatabaseSettings(BaseModel):
    """The addresses of the primary and the standby, the pools of a worker, and the time limit of searches.

    With `database_pooler`, both are the addresses of a pooler that assigns a server connection to each transaction.
    """

    database_url: SecretStr = SecretStr("")
    database_replica_url: SecretStr = SecretStr("")
    database_pooler: bool = False
    database_direct_url: SecretStr = SecretStr("")
    database_pool_size: PositiveInt = 20
    database_max_overflow: NonNegativeInt = 0
    database_search_pool_size: PositiveInt = 5
    search_timeout_ms: PositiveInt = 3000

    @field_validator("database_url", "database_replica_url", "database_direct_url")
    @classmethod
    def _is_postgres(cls, value: SecretStr) -> SecretStr:
        scheme = urlsplit(value.get_secret_value()).scheme
        if scheme not in ("", "postgresql", "postgres", "postgresql+asyncpg"):
            msg = f"must start with postgresql://, not {scheme}://"
            raise ValueError(msg)
        names = {name for name, _ in _parameters(value)}
        if unknown := names - _PARAMETERS.keys():
            msg = f"takes {', '.join(_PARAMETERS)} after the question mark, not {', '.join(sorted(unknown))}"
            raise ValueError(msg)
        return value

    @property
    def database_connections(self) -> int:
        """The maximum number of pooled PostgreSQL connections of a worker. The service itself uses one more."""
        return self.database_pool_size + self.database_max_overflow + self.database_search_pool_size

    @cached_property
    def sqlalchemy_url(self) -> str:
        """`DATABASE_URL` with the name of the async driver, as SQLAlchemy needs it. psql takes the setting itself."""
        return _with_driver(self.database_url)

    @property
    def direct_database_url(self) -> str:
        """The address of PostgreSQL itself, if a pooler is in front of it, as psql takes it."""
        return self.database_direct_url.get_secret_value() or self.database_url.get_secret_value()

    @property
    def sqlalchemy_direct_url(self) -> str:
        """`direct_database_url` with the name of the async driver."""
        return _with_driver(SecretStr(self.direct_database_url))

    @cached_property
    def sqlalchemy_replica_url(self) -> str:
        """`DATABASE_REPLICA_URL` with the name of the async driver; empty if it is not set."""
        return _with_driver(self.database_replica_url) if self.database_replica_url.get_secret_value() else ""


def _with_driver(url: SecretStr) -> str:
    address = url.get_secret_value().partition("://")[2].partition("?")[0]
    query = urlencode([(_PARAMETERS[name], value) for name, value in _parameters(url)])
    return f"postgresql+asyncpg://{address}{'?' if query else ''}{query}"


def _parameters(url: SecretStr) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(url.get_secret_value()).query)
