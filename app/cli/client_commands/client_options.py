"""The options of the commands that call a running service, and their exits."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn

import httpx
import typer

from client.python.imts_client import ApiError, ImageClient

Server = Annotated[str, typer.Option(envvar="IMTS_SERVER", help="The address of the service.")]
Token = Annotated[str, typer.Option(envvar="IMTS_TOKEN", help="An access token or an API key.")]
DEFAULT_SERVER = "http://127.0.0.1:8000"
TOKEN_HELP = "Set a valid token with --token or IMTS_TOKEN. POST /v1/users/me/api-keys creates an API key."  # noqa: S105


@contextmanager
def connected_client(server: str, token: str) -> Iterator[ImageClient]:
    """Return a client. Raises typer.Exit: 2 for a refused request, 3 if the service fails, 130 for Ctrl-C."""
    check_server(server, token)
    try:
        with ImageClient(server, token or None) as client:
            yield client
    except ApiError as error:
        _exit(_describe(error, server), 3 if error.status >= httpx.codes.INTERNAL_SERVER_ERROR else 2, error)
    except httpx.HTTPError as error:
        _exit(describe_silence(server, error), 3, error)
    except UnicodeEncodeError as error:
        _exit("An argument is not valid UTF-8.", 2, error)
    except (ValueError, KeyError) as error:
        # The body of a successful response is not that of the API.
        _exit(f"{server} is not an Image-Tagged-System. Check --server.", 2, error)
    except KeyboardInterrupt as error:
        _exit("Stopped.", 130, error)


def check_server(server: str, token: str) -> None:
    """Raise typer.BadParameter unless both can be sent."""
    try:
        url = httpx.URL(server)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise typer.BadParameter(f"{server!r} is not an address such as http://host:port", param_hint="--server")
    if not token.isascii() or not token.isprintable():
        raise typer.BadParameter("a token has printable ASCII characters only", param_hint="--token")


def describe_silence(server: str, error: httpx.HTTPError) -> str:
    """Return the message for a server that does not respond."""
    return f"{server} does not respond ({describe(error)}). Start the service, or check --server."


def describe(error: Exception) -> str:
    """Return the message of an error, or its name."""
    return str(error) or type(error).__name__


def _describe(error: ApiError, server: str) -> str:
    if error.status == httpx.codes.UNAUTHORIZED:
        return f"{server} requires a valid token. {TOKEN_HELP}"
    problem = error.problem
    parts = [str(error), *(str(one.get("msg")) for one in problem.get("errors") or ())]
    parts += [f"Position {problem['position']}."] if "position" in problem else []
    parts += [f"Did you mean {problem['did_you_mean']}?"] if problem.get("did_you_mean") else []
    return " ".join(parts)


def _exit(message: str, code: int, error: BaseException) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code) from error
