"""The permissions of every endpoint, with which the matrix test compares the service: caller, image, expected status.

The model imports nothing from `app`; docs/openapi.json describes the same endpoints. An endpoint's rule names the
allowed accounts; the scopes of a key restrict them. Missing credentials are 401 before all else. An invisible resource
is 404; a visible one that the caller may not change is 403.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any


class Rule(Enum):
    OPEN = auto()  # looks at no credentials
    ANYONE = auto()
    USER = auto()
    SIGN_IN = auto()  # an account in a session, no API key
    ADMIN = auto()
    SEE_IMAGE = auto()
    CHANGE_IMAGE = auto()
    TAG_IMAGE = auto()
    CHANGE_TRASH = auto()  # hidden from all but those who may change it


@dataclass(frozen=True)
class Actor:
    name: str
    account: str | None  # anonymous, owner, other, admin
    scopes: frozenset[str] | None = None  # None: signed in

    @property
    def is_admin(self) -> bool:
        return self.account == "admin" and (self.scopes is None or "admin" in self.scopes)


@dataclass(frozen=True)
class Target:
    name: str
    private: bool
    owned: bool


@dataclass(frozen=True)
class Endpoint:
    rule: Rule
    ok: int = 200
    request: Callable[[dict[str, str]], dict[str, Any]] = field(default=lambda _names: {})
    consumes: bool = False  # a success uses up the account or the object
    reads: bool = False  # a POST for which a key with the scope `read` is sufficient


def _key(account: str, *scopes: str) -> Actor:
    return Actor(f"{account}'s key {'+'.join(scopes)}", account, frozenset(scopes))


ACTORS = [
    Actor("anonymous", None),
    Actor("owner", "owner"),
    Actor("other user", "other"),
    Actor("admin", "admin"),
    _key("owner", "read"),
    _key("owner", "write"),
    _key("owner", "admin"),
    _key("other", "read", "write", "admin"),
    _key("admin", "read"),
    _key("admin", "write"),
    _key("admin", "admin"),
    _key("admin", "read", "write"),
    _key("admin", "read", "write", "admin"),
]
TARGETS = [
    Target("public, owned", private=False, owned=True),
    Target("private, owned", private=True, owned=True),
    Target("public, without owner", private=False, owned=False),
    Target("private, without owner", private=True, owned=False),
]
IMAGE_RULES = (Rule.SEE_IMAGE, Rule.CHANGE_IMAGE, Rule.TAG_IMAGE, Rule.CHANGE_TRASH)


def expected(endpoint: Endpoint, method: str, actor: Actor, target: Target | None) -> int:
    """Return the status that the rule gives."""
    if endpoint.rule is Rule.OPEN:
        return endpoint.ok
    if actor.account is None and endpoint.rule not in (Rule.ANYONE, Rule.SEE_IMAGE):
        return 401
    if actor.scopes is not None and ("read" if method == "GET" or endpoint.reads else "write") not in actor.scopes:
        return 403
    if target is not None:
        return _expected_of_image(endpoint, actor, target)
    refused = (endpoint.rule is Rule.SIGN_IN and actor.scopes is not None) or (
        endpoint.rule is Rule.ADMIN and not actor.is_admin
    )
    return 403 if refused else endpoint.ok


def _expected_of_image(endpoint: Endpoint, actor: Actor, target: Target) -> int:
    can_edit = actor.is_admin or (target.owned and actor.account == "owner")
    if (target.private or endpoint.rule is Rule.CHANGE_TRASH) and not can_edit:
        return 404
    if endpoint.rule is Rule.CHANGE_IMAGE and not can_edit:
        return 403
    return endpoint.ok


def _json(**body: Any) -> Callable[[dict[str, str]], dict[str, Any]]:
    return lambda _names: {"json": body}


def _upload(names: dict[str, str]) -> dict[str, Any]:
    return {"files": {"image": (f"{names['unique']}.png", names["photo"], "image/png")}}


def _append(_names: dict[str, str]) -> dict[str, Any]:
    fields = {"Content-Type": "application/partial-upload", "Upload-Offset": "0", "Upload-Complete": "?0"}
    return {"headers": fields, "content": b"x"}


_PASSWORD = "correct horse battery staple"
_DIGEST = "0" * 64

# Every endpoint of docs/openapi.json, with its key there. One that is missing here fails the test.
ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("POST", "/v1/users"): Endpoint(
        Rule.OPEN, 201, lambda names: {"json": {"email": f"{names['unique']}@example.com", "password": _PASSWORD}}
    ),
    ("GET", "/v1/users"): Endpoint(Rule.ADMIN),
    ("GET", "/v1/users/me"): Endpoint(Rule.USER),
    ("PATCH", "/v1/users/me"): Endpoint(Rule.SIGN_IN, request=_json(current_password=_PASSWORD)),
    ("DELETE", "/v1/users/me"): Endpoint(Rule.SIGN_IN, 204, consumes=True),
    ("GET", "/v1/users/me/sessions"): Endpoint(Rule.USER),
    ("DELETE", "/v1/users/me/sessions/{session_id}"): Endpoint(Rule.SIGN_IN, 204, consumes=True),
    ("GET", "/v1/users/me/api-keys"): Endpoint(Rule.USER),
    ("POST", "/v1/users/me/api-keys"): Endpoint(Rule.SIGN_IN, 201, _json(name="script", scopes=["read"])),
    ("DELETE", "/v1/users/me/api-keys/{key_id}"): Endpoint(Rule.SIGN_IN, 204, consumes=True),
    ("GET", "/v1/users/me/identities"): Endpoint(Rule.USER),
    ("DELETE", "/v1/users/me/identities/{provider}"): Endpoint(Rule.SIGN_IN, 404),
    ("POST", "/v1/users/me/email-verification"): Endpoint(Rule.USER, 503),  # without SMTP_URL
    ("POST", "/v1/auth/email-verification/confirm"): Endpoint(Rule.OPEN, 400, _json(token="made up")),
    ("POST", "/v1/auth/password-reset"): Endpoint(Rule.OPEN, 503, _json(email="ada@example.com")),
    ("POST", "/v1/auth/password-reset/confirm"): Endpoint(Rule.OPEN, 400, _json(token="made up", password=_PASSWORD)),
    ("GET", "/v1/users/me/usage"): Endpoint(Rule.USER),
    ("GET", "/v1/users/invitations"): Endpoint(Rule.ADMIN),
    ("POST", "/v1/users/invitations"): Endpoint(Rule.ADMIN, 201, _json()),
    ("DELETE", "/v1/users/invitations/{invitation_id}"): Endpoint(Rule.ADMIN, 404),
    ("GET", "/v1/users/{user_id}"): Endpoint(Rule.ADMIN),
    ("PATCH", "/v1/users/{user_id}"): Endpoint(Rule.ADMIN, request=_json(quota_bytes=1000)),
    ("DELETE", "/v1/users/{user_id}"): Endpoint(Rule.ADMIN, 204),
    ("POST", "/v1/auth/token"): Endpoint(
        Rule.OPEN, 401, lambda _names: {"data": {"grant_type": "refresh_token", "refresh_token": "made.up.token"}}
    ),
    ("POST", "/v1/auth/logout"): Endpoint(Rule.SIGN_IN, 204, consumes=True),
    ("GET", "/v1/auth/social"): Endpoint(Rule.OPEN),
    ("GET", "/v1/auth/social/{provider}"): Endpoint(Rule.ANYONE, 404),
    ("GET", "/v1/auth/social/{provider}/callback"): Endpoint(Rule.OPEN, 404),
    ("POST", "/v1/images"): Endpoint(Rule.USER, 201, _upload),
    ("GET", "/v1/images"): Endpoint(Rule.ANYONE),
    ("POST", "/v1/images/search"): Endpoint(Rule.ANYONE, request=_json(filter={"tag": "matrix"}), reads=True),
    ("GET", "/v1/images/explain"): Endpoint(Rule.ANYONE, request=lambda _names: {"params": {"q": "matrix"}}),
    ("GET", "/v1/images/facets"): Endpoint(Rule.ANYONE, request=lambda _names: {"params": {"by": "tag"}}),
    ("GET", "/v1/images/{image_id}"): Endpoint(Rule.SEE_IMAGE),
    ("GET", "/v1/images/{image_id}/suggested-tags"): Endpoint(Rule.SEE_IMAGE),
    ("GET", "/v1/images/{image_id}/similar"): Endpoint(Rule.SEE_IMAGE),
    ("POST", "/v1/images/similar"): Endpoint(Rule.USER, 200, _upload),
    ("GET", "/v1/images/duplicates"): Endpoint(Rule.USER),
    # Of images that do not exist. The rules for single images have tests of their own.
    ("POST", "/v1/images/duplicates/merge"): Endpoint(
        Rule.USER, 404, _json(keep=str(uuid.UUID(int=1)), others=[str(uuid.UUID(int=2))])
    ),
    ("GET", "/v1/images/{image_id}/content"): Endpoint(Rule.SEE_IMAGE),
    ("GET", "/v1/images/{image_id}/thumbnail"): Endpoint(Rule.SEE_IMAGE),
    ("GET", "/v1/images/{image_id}/url"): Endpoint(Rule.SEE_IMAGE),
    ("PATCH", "/v1/images/{image_id}"): Endpoint(Rule.CHANGE_IMAGE, request=_json()),
    ("DELETE", "/v1/images/{image_id}"): Endpoint(Rule.CHANGE_IMAGE, 204, consumes=True),
    ("PUT", "/v1/images/{image_id}/tags"): Endpoint(Rule.CHANGE_IMAGE, request=_json(tags=["cat"])),
    ("POST", "/v1/images/{image_id}/tags"): Endpoint(Rule.TAG_IMAGE, request=_json(tags=["cat"])),
    ("DELETE", "/v1/images/{image_id}/tags/{tag}"): Endpoint(Rule.CHANGE_IMAGE, consumes=True),
    ("POST", "/v1/images/tags"): Endpoint(Rule.USER, request=_json(q="matrix", add=["cat"], remove=[], dry_run=True)),
    ("POST", "/v1/images/lookup"): Endpoint(Rule.USER, request=_json(sha256=[_DIGEST])),
    ("POST", "/v1/images/bulk"): Endpoint(Rule.USER, request=_json(q="matrix", action="delete", dry_run=True)),
    ("GET", "/v1/trash"): Endpoint(Rule.USER),
    ("POST", "/v1/trash/{image_id}/restore"): Endpoint(Rule.CHANGE_TRASH, consumes=True),
    ("DELETE", "/v1/trash/{image_id}"): Endpoint(Rule.CHANGE_TRASH, 204, consumes=True),
    ("OPTIONS", "/v1/uploads"): Endpoint(Rule.OPEN, 204),
    ("GET", "/v1/uploads"): Endpoint(Rule.USER),
    ("POST", "/v1/uploads"): Endpoint(Rule.USER, 201, lambda _names: {"headers": {"Upload-Complete": "?0"}}),
    # An upload of another account is 404 to an admin, too.
    ("GET", "/v1/uploads/{upload_id}"): Endpoint(Rule.USER, 404),
    ("PATCH", "/v1/uploads/{upload_id}"): Endpoint(Rule.USER, 404, _append),
    ("DELETE", "/v1/uploads/{upload_id}"): Endpoint(Rule.USER, 404),
    ("GET", "/v1/tags"): Endpoint(Rule.ANYONE),
    ("POST", "/v1/tags"): Endpoint(Rule.USER, 201, _json(names=["matrix"])),
    ("GET", "/v1/tags/{name}"): Endpoint(Rule.ANYONE),
    ("PATCH", "/v1/tags/{name}"): Endpoint(
        Rule.ADMIN, request=lambda names: {"json": {"name": names["unique"]}}, consumes=True
    ),
    ("DELETE", "/v1/tags/{name}"): Endpoint(Rule.ADMIN, 204, consumes=True),
    ("POST", "/v1/tags/{name}/merge"): Endpoint(Rule.ADMIN, request=_json(into="cat"), consumes=True),
    ("PUT", "/v1/tags/{name}/aliases"): Endpoint(Rule.ADMIN, request=_json(aliases=[])),
    ("PUT", "/v1/tags/{name}/implications"): Endpoint(Rule.ADMIN, request=_json(implies=[])),
    ("GET", "/v1/tags/{name}/related"): Endpoint(Rule.ANYONE),
    ("GET", "/v1/images/{image_id}/history"): Endpoint(Rule.SEE_IMAGE),
    ("GET", "/v1/tags/{name}/history"): Endpoint(Rule.ANYONE),
    ("GET", "/v1/history"): Endpoint(Rule.ADMIN),
    ("POST", "/v1/history/revert"): Endpoint(Rule.USER, request=_json(ids=[1])),
    ("GET", "/healthz"): Endpoint(Rule.OPEN),
    ("GET", "/readyz"): Endpoint(Rule.OPEN),
    ("GET", "/version"): Endpoint(Rule.OPEN),
    ("GET", "/metrics"): Endpoint(Rule.OPEN),
    ("GET", "/v1/ops/requests"): Endpoint(Rule.ADMIN),
    ("GET", "/v1/ops/metrics"): Endpoint(Rule.ADMIN),
    ("GET", "/v1/ops/audit"): Endpoint(Rule.ADMIN),
}
