"""The pages of the gallery, without scripts."""

import html
import io
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from html.parser import HTMLParser

import httpx
import pytest
from PIL import ExifTags, Image

from app.core.settings import Settings
from app.gallery.gallery_cookie import COOKIE
from app.gallery.service import PAGE_SIZE
from tests.support.accounts import PASSWORD, Account
from tests.support.photos import png
from tests.support.server import RunningService, running_service

pytestmark = pytest.mark.integration

MakeAccount = Callable[..., Awaitable[Account]]
HOSTILE = "<img src=x onerror=alert(1)>\"'&.png"


class Links(HTMLParser):
    """The values of the attributes of a page, by element and attribute."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[tuple[str, str], list[str]] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            self.found.setdefault((tag, name), []).append(value or "")


def image_links(page: httpx.Response) -> list[str]:
    return [link for link in Links(page.text).found.get(("a", "href"), []) if link.startswith("/i/")]


async def upload(
    account: Account, name: str, tags: str = "", visibility: str = "public", content: bytes | None = None
) -> str:
    form = {"tags": tags, "visibility": visibility}
    stored = await account.client.post("/v1/images", files={"image": (name, content or png())}, data=form)
    assert stored.status_code == 201, stored.text
    return str(stored.json()["id"])


async def sign_in(browser: httpx.AsyncClient, account: Account, path: str = "/") -> httpx.Response:
    form = {"email": account.email, "password": PASSWORD, "next": path}
    return await browser.post("/sign-in", data=form, headers={"Origin": str(browser.base_url).rstrip("/")})


def csrf_token(page: httpx.Response) -> str:
    found = re.search(r'name="csrf-token" content="([^"]+)"', page.text)
    assert found
    return found[1]


@pytest.fixture
async def browser(service: RunningService) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without scripts and without a session."""
    async with httpx.AsyncClient(base_url=service.url) as client:
        yield client


async def test_a_search_shows_the_matching_images(browser: httpx.AsyncClient, user: Account) -> None:
    cat, dog = await upload(user, "a.png", "cat"), await upload(user, "b.png", "dog")
    every = await browser.get("/")
    assert every.status_code == 200
    assert image_links(every) == [f"/i/{dog}", f"/i/{cat}"]
    found = await browser.get("/", params={"q": "cat"})
    assert [link.partition("?")[0] for link in image_links(found)] == [f"/i/{cat}"]
    assert "1 image" in found.text
    source = Links(found.text).found[("img", "src")][-1]
    shown = await browser.get(source)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/webp")


async def test_pages_follow_each_other_without_gaps(browser: httpx.AsyncClient, user: Account) -> None:
    stored = [await upload(user, f"{number}.png") for number in range(PAGE_SIZE + 3)]
    first = await browser.get("/", params={"sort": "created"})
    (more,) = [link for link in Links(first.text).found[("a", "href")] if "cursor=" in link]
    second = await browser.get(html.unescape(more))
    links = [link.partition("?")[0] for link in image_links(first) + image_links(second)]
    assert links == [f"/i/{one}" for one in stored]
    assert "cursor=" not in " ".join(Links(second.text).found[("a", "href")])


async def test_an_image_has_its_neighbours_in_the_query(browser: httpx.AsyncClient, user: Account) -> None:
    first, _other, second, third = [
        await upload(user, f"{number}.png", tag) for number, tag in enumerate(("cat", "dog", "cat", "cat"))
    ]
    page = await browser.get(f"/i/{second}", params={"q": "cat", "sort": "created"})
    assert f'id="previous" href="/i/{first}?q=cat&amp;sort=created"' in page.text
    assert f'id="next" href="/i/{third}?q=cat&amp;sort=created"' in page.text
    at_the_end = await browser.get(f"/i/{third}", params={"q": "cat", "sort": "created"})
    assert 'id="next"' not in at_the_end.text
    damaged = await browser.get(f"/i/{second}", params={"q": "cat ("})
    assert damaged.status_code == 200


async def test_an_image_has_its_history(browser: httpx.AsyncClient, user: Account) -> None:
    image = await upload(user, "a.png", "cat")
    await user.client.delete(f"/v1/images/{image}/tags/cat")
    page = (await browser.get(f"/i/{image}")).text.partition('id="history"')[2]
    assert page.index("Removed") < page.index("Added")
    assert page.count('href="/?q=cat"') == 2


async def test_the_camera_of_a_file_is_text_and_leads_to_its_images(browser: httpx.AsyncClient, user: Account) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Acme", '<b>"Q"</b>'
    file = io.BytesIO()
    Image.new("RGB", (8, 6)).save(file, "JPEG", exif=exif)
    image = await upload(user, "a.jpg", content=file.getvalue())
    page = await browser.get(f"/i/{image}")
    assert "<b>" not in page.text
    (link,) = [one for one in Links(page.text).found[("a", "href")] if "camera" in one]
    assert [one.partition("?")[0] for one in image_links(await browser.get(link))] == [f"/i/{image}"]


async def test_the_trash_lists_its_images(browser: httpx.AsyncClient, user: Account) -> None:
    assert (await browser.get("/trash")).headers["location"] == "/sign-in?next=%2Ftrash"
    image = await upload(user, "gone.png")
    await user.client.delete(f"/v1/images/{image}")
    await sign_in(browser, user)
    page = await browser.get("/trash")
    assert page.status_code == 200
    assert ("gone.png" in page.text, f'data-restore="{image}"' in page.text) == (True, True)


@pytest.mark.parametrize(("query", "before", "marked"), [("cat (dog", "cat (dog", " "), ("cat ) dog", "cat ", ")")])
async def test_an_invalid_query_is_underlined(browser: httpx.AsyncClient, query: str, before: str, marked: str) -> None:
    page = await browser.get("/", params={"q": query})
    assert page.status_code == 400
    assert f"<code>{before}<mark>{marked}</mark>" in page.text
    assert f'value="{query}"' in page.text


async def test_an_empty_page_has_hints_that_can_be_followed(browser: httpx.AsyncClient, user: Account) -> None:
    image = await upload(user, "a.png", "cat")
    page = await browser.get("/", params={"q": "bird or cat"})
    hints = [link for link in Links(page.text).found[("a", "href")] if "q=bird+OR+cat" in link]
    assert hints
    assert image_links(await browser.get(hints[0]))[0].startswith(f"/i/{image}")


@pytest.mark.parametrize("path", ["/nowhere", "/i/nothing", f"/i/{uuid.UUID(int=1)}"])
async def test_a_browser_gets_a_page_for_an_unknown_path(browser: httpx.AsyncClient, path: str) -> None:
    page = await browser.get(path, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert ("a", "href") in Links(page.text).found


@pytest.mark.parametrize(("path", "accept"), [("/nowhere", "*/*"), ("/v1/nowhere", "text/html")])
async def test_other_unknown_paths_have_a_problem_document(browser: httpx.AsyncClient, path: str, accept: str) -> None:
    response = await browser.get(path, headers={"Accept": accept})
    assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")
    assert "Accept" in response.headers["vary"]


async def test_names_and_tags_are_text(browser: httpx.AsyncClient, user: Account) -> None:
    image = await upload(user, HOSTILE, "it's a & b")
    for path in ("/", f"/i/{image}", "/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E"):
        page = await browser.get(path)
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
    shown = await browser.get(f"/i/{image}")
    assert (
        f"<h1>{html.escape(HOSTILE, quote=True).replace('&quot;', '&#34;').replace('&#x27;', '&#39;')}</h1>"
        in shown.text
    )


async def test_a_private_image_is_shown_to_its_owner_only(
    browser: httpx.AsyncClient, service: RunningService, user: Account, make_account: MakeAccount, photo: bytes
) -> None:
    image = await upload(user, "secret.png", "secret", "private", photo)
    paths = [f"/i/{image}", f"/i/{image}/thumbnail?size=160", f"/i/{image}/content"]
    assert image_links(await browser.get("/")) == []
    assert (await browser.get(paths[0])).status_code == 404
    async with httpx.AsyncClient(base_url=service.url) as stranger:
        await sign_in(stranger, await make_account())
        assert [(await stranger.get(path)).status_code for path in paths] == [404, 404, 404]
    await sign_in(browser, user)
    listed = await browser.get("/")
    assert image_links(listed) == [f"/i/{image}"]
    assert listed.headers["cache-control"] == "no-store"
    source = Links(listed.text).found[("img", "src")][-1]
    thumbnail, content = await browser.get(source), await browser.get(paths[2])
    assert (thumbnail.status_code, content.content) == (200, photo)
    assert {one.headers["cache-control"] for one in (thumbnail, content)} == {"private, max-age=300"}


async def test_the_cookie_is_for_these_pages_only(browser: httpx.AsyncClient, user: Account) -> None:
    response = await sign_in(browser, user, "/?q=cat")
    assert (response.status_code, response.headers["location"]) == (303, "/?q=cat")
    (cookie,) = response.headers.get_list("set-cookie")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    token = browser.cookies[COOKIE]
    assert (await browser.get("/v1/users/me")).status_code == 401
    assert (await browser.get("/v1/users/me", headers={"Authorization": f"Bearer {token}"})).status_code == 401
    assert (
        (await browser.get("/ops", headers={"Cookie": f"imts_ops={token}"}))
        .headers["location"]
        .startswith("/ops/login")
    )
    # Nor do other tokens open these pages.
    for other in (user.access_token, user.ops_cookie):
        browser.cookies.clear()
        browser.cookies.set(COOKIE, other)
        assert user.email not in (await browser.get("/")).text


async def test_the_end_of_a_session_ends_the_cookie(browser: httpx.AsyncClient, user: Account) -> None:
    await sign_in(browser, user)
    assert user.email in (await browser.get("/")).text
    sessions = (await user.client.get("/v1/users/me/sessions")).json()["items"]
    for session in sessions:
        if session["id"] != str(user.session_id):
            await user.client.delete(f"/v1/users/me/sessions/{session['id']}")
    page = await browser.get("/")
    assert user.email not in page.text
    assert f'{COOKIE}=""' in page.headers["set-cookie"]


async def test_sign_out_needs_the_token_of_the_session(
    browser: httpx.AsyncClient, service: RunningService, user: Account
) -> None:
    await sign_in(browser, user)
    token = csrf_token(await browser.get("/"))
    async with httpx.AsyncClient(base_url=service.url) as second:
        await sign_in(second, user)
        for wrong in ("", "x", "é", token[:-1], token):
            refused = await second.post("/sign-out", data={"csrf_token": wrong})
            assert refused.status_code == 403, wrong
            assert user.email in (await second.get("/")).text
    done = await browser.post("/sign-out", data={"csrf_token": token})
    assert done.status_code == 303
    assert user.email not in (await browser.get("/")).text
    # The cookie of the ended session is of no use.
    assert (await browser.post("/session/token", headers={"X-CSRF-Token": token})).status_code in (303, 401)


async def test_scripts_exchange_the_cookie_for_an_access_token(browser: httpx.AsyncClient, user: Account) -> None:
    assert (await browser.post("/session/token")).status_code == 401
    await sign_in(browser, user)
    assert (await browser.post("/session/token")).status_code == 403
    token = csrf_token(await browser.get("/"))
    issued = await browser.post("/session/token", headers={"X-CSRF-Token": token})
    assert issued.status_code == 200, issued.text
    assert issued.headers["cache-control"] == "no-store"
    access = issued.json()["access_token"]
    me = await browser.get("/v1/users/me", headers={"Authorization": f"Bearer {access}"})
    assert me.json()["email"] == user.email


@pytest.mark.parametrize("origin", ["https://evil.example", "null", ""])
async def test_a_form_of_another_site_opens_no_session(browser: httpx.AsyncClient, user: Account, origin: str) -> None:
    form = {"email": user.email, "password": PASSWORD}
    headers = {"Origin": origin} if origin else {}
    response = await browser.post("/sign-in", data=form, headers=headers)
    assert response.status_code == 403
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
async def test_sign_in_leads_to_this_site_only(browser: httpx.AsyncClient, user: Account, target: str) -> None:
    assert (await sign_in(browser, user, target)).headers["location"] == "/"


async def test_a_wrong_password_keeps_the_form(browser: httpx.AsyncClient, user: Account) -> None:
    form = {"email": user.email, "password": "something else", "next": "/?q=cat"}
    origin = {"Origin": str(browser.base_url).rstrip("/")}
    page = await browser.post("/sign-in", data=form, headers=origin)
    assert page.status_code == 401
    assert 'role="alert"' in page.text
    assert f'value="{user.email}"' in page.text
    assert 'name="next" value="/?q=cat"' in page.text


async def test_a_stranger_signs_up(browser: httpx.AsyncClient) -> None:
    origin = {"Origin": str(browser.base_url).rstrip("/")}
    email = f"{uuid.uuid4().hex}@example.com"
    for bad in ({"email": "nothing", "password": PASSWORD}, {"email": email, "password": "short"}):
        refused = await browser.post("/sign-up", data=bad, headers=origin)
        assert refused.status_code == 422
        assert 'role="alert"' in refused.text
    done = await browser.post("/sign-up", data={"email": email, "password": PASSWORD}, headers=origin)
    assert done.status_code == 303, done.text
    assert email in (await browser.get("/")).text
    again = await browser.post("/sign-up", data={"email": email, "password": PASSWORD}, headers=origin)
    assert again.status_code == 409


@pytest.mark.parametrize("path", ["/i/nothing", f"/i/{uuid.UUID(int=0)}", "/?cursor=x", "/?q=" + "a" * 5000])
async def test_errors_are_pages(browser: httpx.AsyncClient, path: str) -> None:
    page = await browser.get(path)
    assert 400 <= page.status_code < 500
    assert page.headers["content-type"].startswith("text/html")
    assert "<h1>" in page.text


async def test_static_files_stay_in_their_folder(browser: httpx.AsyncClient) -> None:
    style = await browser.get("/static/gallery.css")
    assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert (await browser.get("/static/..%2Frouter.py")).status_code == 404


async def test_without_the_gallery_the_home_page_links_to_the_documentation(settings: Settings) -> None:
    async with (
        running_service(settings.model_copy(update={"gallery": False})) as service,
        httpx.AsyncClient(base_url=service.url) as client,
    ):
        page = await client.get("/")
        assert (page.status_code, "/docs" in page.text, "<form" in page.text) == (200, True, False)
        assert (await client.get("/sign-in")).status_code == 404
