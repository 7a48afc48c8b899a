from enum import StrEnum


class AuditAction(StrEnum):
    ACCOUNT_CREATE = "account.create"
    ACCOUNT_DELETE = "account.delete"
    ACCOUNT_DEMOTE = "account.demote"
    ACCOUNT_DISABLE = "account.disable"
    ACCOUNT_ENABLE = "account.enable"
    ACCOUNT_PROMOTE = "account.promote"
    ACCOUNT_SET_PASSWORD = "account.set_password"
    ACCOUNT_SET_QUOTA = "account.set_quota"
    IMAGES_DELETE = "images.delete"
    IMAGES_PURGE = "images.purge"
    IMAGES_RESTORE = "images.restore"
    IMAGES_REVERT = "images.revert"
    IMAGES_SET_TAGS = "images.set_tags"
    IMAGES_SET_VISIBILITY = "images.set_visibility"
    IMAGES_TRASH = "images.trash"
    IMAGE_DELETE = "image.delete"
    IMAGE_RESTORE = "image.restore"
    IMAGE_SET_TAGS = "image.set_tags"
    IMAGE_TRASH = "image.trash"
    IMAGE_UPDATE = "image.update"
    INVITATION_CREATE = "invitation.create"
    INVITATION_REVOKE = "invitation.revoke"
    INVITATION_USE = "invitation.use"
    SIGN_UP_SET_MODE = "sign_up.set_mode"
    TAG_DELETE = "tag.delete"
    TAG_MERGE = "tag.merge"
    TAG_RENAME = "tag.rename"
    TAG_RESTORE = "tag.restore"
    TAG_SET_ALIASES = "tag.set_aliases"
    TAG_SET_IMPLICATIONS = "tag.set_implications"

    def __str__(self) -> str:
        return str(self.value)
