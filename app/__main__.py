"""`python -m app <command>`."""

from app.cli import app

app()
