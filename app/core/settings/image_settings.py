"""Settings of images: uploads, decoders, the trash and the deletion of orphaned objects."""

from typing import Annotated

from pydantic import BaseModel, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from app.core.settings.setting_types import MIB, renamed


class ImageSettings(BaseModel):
    """The limits of uploads and of images, the decoders, and the intervals of the sweeper."""

    anonymous_upload: bool = False
    max_upload_bytes: PositiveInt = 100 * MIB
    max_bytes_per_user: NonNegativeInt | None = None
    max_image_pixels: PositiveInt = 100_000_000
    # GIF files are delivered unchanged.
    strip_metadata: bool = False
    upload_concurrency_per_client: Annotated[
        PositiveInt, Field(validation_alias=renamed("uploads_at_once", "upload_concurrency_per_client"))
    ] = 8
    upload_memory_bytes: PositiveInt = 160 * MIB
    upload_idle_seconds: PositiveFloat = 30
    upload_min_bytes_per_second: NonNegativeInt = 512
    upload_expiry_hours: PositiveFloat = 24
    decoder_processes: PositiveInt = 2
    orphan_grace_seconds: Annotated[
        PositiveInt, Field(validation_alias=renamed("doomed_grace_seconds", "orphan_grace_seconds"))
    ] = 3600
    trash_days: NonNegativeFloat = 30
    sweep_interval_seconds: PositiveFloat = 300
