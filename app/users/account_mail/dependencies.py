"""Builds the services of mailed links for the endpoints."""

from typing import Annotated

from fastapi import Depends

from app.http.dependencies import ContainerDep
from app.users.account_mail.service import LinkMailer, LinkRedemption


async def get_link_mailer(container: ContainerDep) -> LinkMailer:
    settings = container.settings
    return LinkMailer(
        container.database, container.limits, settings.mail_limits, container.outbox, site=settings.public_url
    )


async def get_link_redemption(container: ContainerDep) -> LinkRedemption:
    return LinkRedemption(container.database, container.passwords)


LinkMailerDep = Annotated[LinkMailer, Depends(get_link_mailer)]
LinkRedemptionDep = Annotated[LinkRedemption, Depends(get_link_redemption)]
