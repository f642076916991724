""" Contains all the data models used in inputs/outputs """

from .api_key import ApiKey
from .attachment import Attachment
from .attempt import Attempt
from .attempt_outcome import AttemptOutcome
from .audit_actor import AuditActor
from .audit_line import AuditLine
from .audit_page import AuditPage
from .backoff_type_0 import BackoffType0
from .backoff_type_0_type import BackoffType0Type
from .backoff_type_1 import BackoffType1
from .backoff_type_1_type import BackoffType1Type
from .batch import Batch
from .batch_accepted import BatchAccepted
from .batch_item import BatchItem
from .batch_item_error import BatchItemError
from .batch_mode import BatchMode
from .bulk_action import BulkAction
from .bulk_request import BulkRequest
from .bulk_word import BulkWord
from .caller import Caller
from .cancelled import Cancelled
from .channel import Channel
from .cleared import Cleared
from .complete_request import CompleteRequest
from .created_api_key import CreatedApiKey
from .detail import Detail
from .end_reason import EndReason
from .endpoint import Endpoint
from .endpoint_change import EndpointChange
from .endpoint_disabled import EndpointDisabled
from .endpoint_with_secret import EndpointWithSecret
from .enqueued import Enqueued
from .event import Event
from .external_class import ExternalClass
from .fail_request import FailRequest
from .failure_class import FailureClass
from .fault import Fault
from .fault_answer import FaultAnswer
from .faults import Faults
from .field_error import FieldError
from .health import Health
from .heartbeat import Heartbeat
from .heartbeat_request import HeartbeatRequest
from .held_listed import HeldListed
from .held_message import HeldMessage
from .held_message_headers import HeldMessageHeaders
from .key_scope import KeyScope
from .lane import Lane
from .lane_limits import LaneLimits
from .limits import Limits
from .list_api_key import ListApiKey
from .list_attempt import ListAttempt
from .list_lane import ListLane
from .list_provider import ListProvider
from .list_queue import ListQueue
from .list_schedule import ListSchedule
from .list_template import ListTemplate
from .list_worker import ListWorker
from .liveness import Liveness
from .missed_policy import MissedPolicy
from .new_api_key import NewApiKey
from .new_endpoint import NewEndpoint
from .new_notification import NewNotification
from .new_notification_batch import NewNotificationBatch
from .new_notification_headers_type_0 import NewNotificationHeadersType0
from .new_notification_options_type_0 import NewNotificationOptionsType0
from .new_schedule import NewSchedule
from .new_suppression import NewSuppression
from .new_task import NewTask
from .new_task_batch import NewTaskBatch
from .new_template import NewTemplate
from .new_template_sample_type_0 import NewTemplateSampleType0
from .notification_request import NotificationRequest
from .notification_request_headers_type_0 import NotificationRequestHeadersType0
from .notification_request_options_type_0 import NotificationRequestOptionsType0
from .notify_accepted import NotifyAccepted
from .on_ambiguous import OnAmbiguous
from .operation import Operation
from .operation_state import OperationState
from .paged_endpoint import PagedEndpoint
from .paged_held_listed import PagedHeldListed
from .paged_suppression import PagedSuppression
from .paged_template import PagedTemplate
from .pause import Pause
from .pause_reason import PauseReason
from .pause_request import PauseRequest
from .preview import Preview
from .preview_data import PreviewData
from .preview_data_data_type_0 import PreviewDataDataType0
from .preview_request import PreviewRequest
from .preview_request_data_type_0 import PreviewRequestDataType0
from .preview_request_sample_type_0 import PreviewRequestSampleType0
from .priority import Priority
from .problem import Problem
from .provider import Provider
from .provider_state import ProviderState
from .queue import Queue
from .rate_limit import RateLimit
from .readiness import Readiness
from .recipient import Recipient
from .recipient_counts import RecipientCounts
from .retried import Retried
from .retry_override import RetryOverride
from .retry_policy import RetryPolicy
from .retry_request import RetryRequest
from .rotation import Rotation
from .schedule import Schedule
from .settled_task import SettledTask
from .signing_secret import SigningSecret
from .state import State
from .state_counts import StateCounts
from .stats import Stats
from .stats_point import StatsPoint
from .suppression import Suppression
from .suppression_source import SuppressionSource
from .task import Task
from .task_error import TaskError
from .task_filter import TaskFilter
from .task_page import TaskPage
from .task_status import TaskStatus
from .task_status_word import TaskStatusWord
from .template import Template
from .template_choice import TemplateChoice
from .to_type_1 import ToType1
from .unique import Unique
from .uploaded_attachment import UploadedAttachment
from .validation_detail import ValidationDetail
from .worker import Worker

__all__ = (
    "ApiKey",
    "Attachment",
    "Attempt",
    "AttemptOutcome",
    "AuditActor",
    "AuditLine",
    "AuditPage",
    "BackoffType0",
    "BackoffType0Type",
    "BackoffType1",
    "BackoffType1Type",
    "Batch",
    "BatchAccepted",
    "BatchItem",
    "BatchItemError",
    "BatchMode",
    "BulkAction",
    "BulkRequest",
    "BulkWord",
    "Caller",
    "Cancelled",
    "Channel",
    "Cleared",
    "CompleteRequest",
    "CreatedApiKey",
    "Detail",
    "Endpoint",
    "EndpointChange",
    "EndpointDisabled",
    "EndpointWithSecret",
    "EndReason",
    "Enqueued",
    "Event",
    "ExternalClass",
    "FailRequest",
    "FailureClass",
    "Fault",
    "FaultAnswer",
    "Faults",
    "FieldError",
    "Health",
    "Heartbeat",
    "HeartbeatRequest",
    "HeldListed",
    "HeldMessage",
    "HeldMessageHeaders",
    "KeyScope",
    "Lane",
    "LaneLimits",
    "Limits",
    "ListApiKey",
    "ListAttempt",
    "ListLane",
    "ListProvider",
    "ListQueue",
    "ListSchedule",
    "ListTemplate",
    "ListWorker",
    "Liveness",
    "MissedPolicy",
    "NewApiKey",
    "NewEndpoint",
    "NewNotification",
    "NewNotificationBatch",
    "NewNotificationHeadersType0",
    "NewNotificationOptionsType0",
    "NewSchedule",
    "NewSuppression",
    "NewTask",
    "NewTaskBatch",
    "NewTemplate",
    "NewTemplateSampleType0",
    "NotificationRequest",
    "NotificationRequestHeadersType0",
    "NotificationRequestOptionsType0",
    "NotifyAccepted",
    "OnAmbiguous",
    "Operation",
    "OperationState",
    "PagedEndpoint",
    "PagedHeldListed",
    "PagedSuppression",
    "PagedTemplate",
    "Pause",
    "PauseReason",
    "PauseRequest",
    "Preview",
    "PreviewData",
    "PreviewDataDataType0",
    "PreviewRequest",
    "PreviewRequestDataType0",
    "PreviewRequestSampleType0",
    "Priority",
    "Problem",
    "Provider",
    "ProviderState",
    "Queue",
    "RateLimit",
    "Readiness",
    "Recipient",
    "RecipientCounts",
    "Retried",
    "RetryOverride",
    "RetryPolicy",
    "RetryRequest",
    "Rotation",
    "Schedule",
    "SettledTask",
    "SigningSecret",
    "State",
    "StateCounts",
    "Stats",
    "StatsPoint",
    "Suppression",
    "SuppressionSource",
    "Task",
    "TaskError",
    "TaskFilter",
    "TaskPage",
    "TaskStatus",
    "TaskStatusWord",
    "Template",
    "TemplateChoice",
    "ToType1",
    "Unique",
    "UploadedAttachment",
    "ValidationDetail",
    "Worker",
)
