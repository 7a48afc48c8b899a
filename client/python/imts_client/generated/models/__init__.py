"""Contains all the data models used in inputs/outputs"""

from .account_read import AccountRead
from .account_update import AccountUpdate
from .alive import Alive
from .api_key_create import ApiKeyCreate
from .api_key_created import ApiKeyCreated
from .api_key_page import ApiKeyPage
from .api_key_read import ApiKeyRead
from .at_least_filter import AtLeastFilter
from .audit_action import AuditAction
from .audit_page import AuditPage
from .audit_read import AuditRead
from .audit_read_after_type_0 import AuditReadAfterType0
from .audit_read_before_type_0 import AuditReadBeforeType0
from .authorize_read import AuthorizeRead
from .body_issue_token import BodyIssueToken
from .body_issue_token_grant_type import BodyIssueTokenGrantType
from .bulk_action_name import BulkActionName
from .bulk_change import BulkChange
from .bulk_change_result import BulkChangeResult
from .bulk_result import BulkResult
from .bulk_tagging import BulkTagging
from .comparison import Comparison
from .delete_me_images import DeleteMeImages
from .delete_user_images import DeleteUserImages
from .dependency import Dependency
from .dependency_status import DependencyStatus
from .duplicate_group import DuplicateGroup
from .duplicate_merge import DuplicateMerge
from .duplicate_merge_result import DuplicateMergeResult
from .duplicate_page import DuplicatePage
from .email_verification import EmailVerification
from .event_page import EventPage
from .event_read import EventRead
from .event_read_change import EventReadChange
from .facet_item import FacetItem
from .facet_list import FacetList
from .facet_list_by import FacetListBy
from .facet_list_is import FacetListIs
from .field_error import FieldError
from .identity_list import IdentityList
from .identity_read import IdentityRead
from .image_filter import ImageFilter
from .image_links import ImageLinks
from .image_page import ImagePage
from .image_page_total_is_type_0 import ImagePageTotalIsType0
from .image_read import ImageRead
from .image_restore import ImageRestore
from .image_search import ImageSearch
from .image_search_count import ImageSearchCount
from .image_update import ImageUpdate
from .image_uploaded import ImageUploaded
from .image_url import ImageUrl
from .invitation_create import InvitationCreate
from .invitation_created import InvitationCreated
from .invitation_page import InvitationPage
from .invitation_read import InvitationRead
from .list_facets_by import ListFacetsBy
from .list_images_count import ListImagesCount
from .list_images_similar_to_file_body import ListImagesSimilarToFileBody
from .list_request_metrics_group_by import ListRequestMetricsGroupBy
from .list_tags_sort import ListTagsSort
from .lookup_item import LookupItem
from .lookup_request import LookupRequest
from .lookup_result import LookupResult
from .metrics_point import MetricsPoint
from .metrics_series import MetricsSeries
from .one_of_values import OneOfValues
from .password_reset import PasswordReset
from .password_reset_request import PasswordResetRequest
from .plan_read import PlanRead
from .problem import Problem
from .provider_list import ProviderList
from .provider_read import ProviderRead
from .readiness import Readiness
from .readiness_dependencies import ReadinessDependencies
from .readiness_status import ReadinessStatus
from .related_list import RelatedList
from .related_read import RelatedRead
from .request_page import RequestPage
from .request_read import RequestRead
from .revert_request import RevertRequest
from .revert_response import RevertResponse
from .scope import Scope
from .search_explanation import SearchExplanation
from .search_hint import SearchHint
from .session_page import SessionPage
from .session_read import SessionRead
from .similar_image_read import SimilarImageRead
from .similar_list import SimilarList
from .similarity_kind import SimilarityKind
from .skipped_read import SkippedRead
from .step_read import StepRead
from .suggested_tag_list import SuggestedTagList
from .suggested_tag_read import SuggestedTagRead
from .tag_aliases import TagAliases
from .tag_changed import TagChanged
from .tag_event_source import TagEventSource
from .tag_implications import TagImplications
from .tag_list import TagList
from .tag_merge import TagMerge
from .tag_page import TagPage
from .tag_read import TagRead
from .tag_rename import TagRename
from .tags_addition import TagsAddition
from .tags_addition_source import TagsAdditionSource
from .tags_create import TagsCreate
from .tags_update import TagsUpdate
from .telemetry_state import TelemetryState
from .term_read import TermRead
from .thumbnail_size import ThumbnailSize
from .token_read import TokenRead
from .trash_page import TrashPage
from .trashed_image_read import TrashedImageRead
from .unrestored_read import UnrestoredRead
from .unrestored_reason import UnrestoredReason
from .upload_image_body import UploadImageBody
from .upload_image_body_on_conflict import UploadImageBodyOnConflict
from .upload_image_body_visibility import UploadImageBodyVisibility
from .upload_list import UploadList
from .upload_read import UploadRead
from .usage_read import UsageRead
from .user_create import UserCreate
from .user_page import UserPage
from .user_read import UserRead
from .user_update import UserUpdate
from .version import Version
from .visibility import Visibility
from .without_read import WithoutRead

__all__ = (
    "AccountRead",
    "AccountUpdate",
    "Alive",
    "ApiKeyCreate",
    "ApiKeyCreated",
    "ApiKeyPage",
    "ApiKeyRead",
    "AtLeastFilter",
    "AuditAction",
    "AuditPage",
    "AuditRead",
    "AuditReadAfterType0",
    "AuditReadBeforeType0",
    "AuthorizeRead",
    "BodyIssueToken",
    "BodyIssueTokenGrantType",
    "BulkActionName",
    "BulkChange",
    "BulkChangeResult",
    "BulkResult",
    "BulkTagging",
    "Comparison",
    "DeleteMeImages",
    "DeleteUserImages",
    "Dependency",
    "DependencyStatus",
    "DuplicateGroup",
    "DuplicateMerge",
    "DuplicateMergeResult",
    "DuplicatePage",
    "EmailVerification",
    "EventPage",
    "EventRead",
    "EventReadChange",
    "FacetItem",
    "FacetList",
    "FacetListBy",
    "FacetListIs",
    "FieldError",
    "IdentityList",
    "IdentityRead",
    "ImageFilter",
    "ImageLinks",
    "ImagePage",
    "ImagePageTotalIsType0",
    "ImageRead",
    "ImageRestore",
    "ImageSearch",
    "ImageSearchCount",
    "ImageUpdate",
    "ImageUploaded",
    "ImageUrl",
    "InvitationCreate",
    "InvitationCreated",
    "InvitationPage",
    "InvitationRead",
    "ListFacetsBy",
    "ListImagesCount",
    "ListImagesSimilarToFileBody",
    "ListRequestMetricsGroupBy",
    "ListTagsSort",
    "LookupItem",
    "LookupRequest",
    "LookupResult",
    "MetricsPoint",
    "MetricsSeries",
    "OneOfValues",
    "PasswordReset",
    "PasswordResetRequest",
    "PlanRead",
    "Problem",
    "ProviderList",
    "ProviderRead",
    "Readiness",
    "ReadinessDependencies",
    "ReadinessStatus",
    "RelatedList",
    "RelatedRead",
    "RequestPage",
    "RequestRead",
    "RevertRequest",
    "RevertResponse",
    "Scope",
    "SearchExplanation",
    "SearchHint",
    "SessionPage",
    "SessionRead",
    "SimilarImageRead",
    "SimilarList",
    "SimilarityKind",
    "SkippedRead",
    "StepRead",
    "SuggestedTagList",
    "SuggestedTagRead",
    "TagAliases",
    "TagChanged",
    "TagEventSource",
    "TagImplications",
    "TagList",
    "TagMerge",
    "TagPage",
    "TagRead",
    "TagRename",
    "TagsAddition",
    "TagsAdditionSource",
    "TagsCreate",
    "TagsUpdate",
    "TelemetryState",
    "TermRead",
    "ThumbnailSize",
    "TokenRead",
    "TrashPage",
    "TrashedImageRead",
    "UnrestoredRead",
    "UnrestoredReason",
    "UploadImageBody",
    "UploadImageBodyOnConflict",
    "UploadImageBodyVisibility",
    "UploadList",
    "UploadRead",
    "UsageRead",
    "UserCreate",
    "UserPage",
    "UserRead",
    "UserUpdate",
    "Version",
    "Visibility",
    "WithoutRead",
)
