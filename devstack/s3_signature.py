"""AWS Signature Version 4 of one request, for the readiness probe.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
from datetime import UTC, datetime

_EMPTY_DIGEST = hashlib.sha256(b"").hexdigest()
_SIGNED = "host;x-amz-content-sha256;x-amz-date"


def signed_headers(host: str, access_key: str, secret_key: str, region: str = "us-east-1") -> dict[str, str]:
    """For `GET /`, which lists the buckets."""
    now = datetime.now(UTC)
    timestamp, day = f"{now:%Y%m%dT%H%M%SZ}", f"{now:%Y%m%d}"
    headers = {"host": host, "x-amz-content-sha256": _EMPTY_DIGEST, "x-amz-date": timestamp}
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"GET\n/\n\n{lines}\n{_SIGNED}\n{_EMPTY_DIGEST}"
    scope = f"{day}/{region}/s3/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = _digest(key, part)
    signature = _digest(key, to_sign).hex()
    credential = f"Credential={access_key}/{scope}"
    authorization = f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={_SIGNED}, Signature={signature}"
    return {**headers, "Authorization": authorization}


def _digest(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
