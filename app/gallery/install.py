"""Adds the gallery to the application."""

from fastapi import FastAPI

from app.gallery import account_pages, router


def install_gallery(app: FastAPI) -> None:
    """Serve the pages, the access tokens of their scripts, and their static files."""
    for one in (router.pages, account_pages.pages, account_pages.scripts, router.files):
        app.include_router(one)
