import asyncio
from pathlib import Path

import typer

from app.cli.options import DataDir, load_settings
from app.core.settings import Settings
from app.db.session import Database
from app.images.sweeper import Sweeper
from app.storage.object_store import ObjectStore


def sweep(data_dir: DataDir = Path(".imts")) -> None:
    """Delete the objects that no image owns and whose grace is over."""
    removed = asyncio.run(_sweep(load_settings(data_dir)))
    typer.echo(f"{removed} objects removed.")


async def _sweep(settings: Settings) -> int:
    database, object_store = Database(settings), ObjectStore(settings)
    try:
        return await Sweeper(database, object_store, settings).sweep()
    finally:
        await object_store.close()
        await database.close()
