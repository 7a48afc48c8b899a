"""Adds the gallery to the application."""

from fastapi import FastAPI

from app.gallery import account_page, router, sign_in_pages, social_pages


def install_gallery(app: FastAPI) -> None:
    """Serve the pages, the access tokens of their scripts, and their static files."""
    for module in (router, account_page, sign_in_pages, social_pages):
        app.include_router(module.pages)
    for one in (sign_in_pages.scripts, social_pages.scripts, router.files):
        app.include_router(one)
