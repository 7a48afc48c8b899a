"""nginx and Caddy with the examples of the guide, in front of a service of the test."""

import asyncio
import getpass
import os
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.paths import ROOT

HOST = "127.0.0.1"
_EXAMPLES = ROOT / "docs/how-to/examples"
_UPSTREAM = "127.0.0.1:8000"
_NGINX = """
{user}
pid {directory}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    include {directory}/site.conf;
}}
"""
_CADDY = """
{{
    admin off
    auto_https disable_redirects
    storage file_system {directory}
    servers {{
        protocols h1
    }}
}}
import {directory}/site.conf
"""


def free_port() -> int:
    """Return a port that is free now. A proxy cannot inherit a socket."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


@asynccontextmanager
async def reverse_proxy(program: str, directory: Path, port: int, upstream: str, prefix: str) -> AsyncIterator[Path]:
    """Run the example for `program` (nginx or caddy) with TLS; yields the file of the certificate.

    The test is skipped if the program is not on PATH.
    """
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        pytest.skip(f"no {program} on PATH")
    certificate, key = _make_certificate(directory)
    address = upstream.removeprefix("http://")
    arguments = _ARGUMENTS[program](directory, port, prefix, certificate, key, address)
    process = await asyncio.create_subprocess_exec(path, *arguments, stderr=asyncio.subprocess.PIPE)
    try:
        await _wait_until_open(process, port)
        yield certificate
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


def trust(certificate: Path) -> ssl.SSLContext:
    """Return a context that accepts this certificate only."""
    return ssl.create_default_context(cafile=str(certificate))


async def _wait_until_open(process: asyncio.subprocess.Process, port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            if process.returncode is not None:
                pytest.fail((await process.communicate())[1].decode())
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


def _nginx(directory: Path, port: int, prefix: str, certificate: Path, key: Path, upstream: str) -> list[str]:
    site = _replaced(
        (_EXAMPLES / ("nginx-prefix.conf" if prefix else "nginx.conf")).read_text(),
        ("listen 443 ssl", f"listen {HOST}:{port} ssl"),
        ("/etc/ssl/images.pem", str(certificate)),
        ("/etc/ssl/images.key", str(key)),
        (_UPSTREAM, upstream),
    )
    (directory / "site.conf").write_text(site)
    # Another user could not read the directory of the test.
    user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
    (directory / "nginx.conf").write_text(_NGINX.format(user=user, directory=directory))
    return ["-p", str(directory), "-c", str(directory / "nginx.conf"), "-e", "stderr", "-g", "daemon off;"]


def _caddy(directory: Path, port: int, prefix: str, certificate: Path, key: Path, upstream: str) -> list[str]:
    name = "example.org {" if prefix else "images.example.org {"
    site = _replaced(
        (_EXAMPLES / ("Caddyfile-prefix" if prefix else "Caddyfile")).read_text(),
        (f"\n{name}", f"\nhttps://{HOST}:{port} {{\n    tls {certificate} {key}"),
        (_UPSTREAM, upstream),
    )
    (directory / "site.conf").write_text(site)
    (directory / "Caddyfile").write_text(_CADDY.format(directory=directory))
    return ["run", "--config", str(directory / "Caddyfile"), "--adapter", "caddyfile"]


_ARGUMENTS: dict[str, Callable[[Path, int, str, Path, Path, str], list[str]]] = {"nginx": _nginx, "caddy": _caddy}


def _replaced(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def _make_certificate(directory: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = directory / "images.pem", directory / "images.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files
