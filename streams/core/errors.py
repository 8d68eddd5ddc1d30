"""The one error tree.

StreamsError
├── Refused           an input record or request that breaks the contract (DLQ code, HTTP 422)
├── Misuse            a user's mistake at the command line or in a setting (exit code 2)
├── Failed            an operation that could not be done (exit code 1)
│   └── ObjectStoreError  the bucket or the folder in its place did not do what it should
│       └── ObjectMissing     there is no such object
├── ApiError          an answer of the HTTP API that is not a success (problem+json)
├── StoreLost         this store can no longer be trusted; take it over again
└── PartitionRed      folding on would be wrong; a person has to decide
"""


class StreamsError(Exception):
    """Base of every error that this project raises on purpose."""


class Refused(StreamsError):
    """An input that breaks the contract.

    Parameters
    ----------
    code : str
        One of the DLQ's codes (``REFUSAL_CODES``).
    message : str
        What is wrong, for a person; never contains the content.
    tenant : str, optional
        Whose input it is, when that is known: its log gets a marker.
    """

    def __init__(self, code: str, message: str, tenant: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.tenant = tenant


REFUSAL_CODES = (
    "not_cloudevent",
    "not_json",
    "schema",
    "tenant_missing",
    "tenant_mismatch",
    "bad_tenant",
    "unknown_type",
    "too_large",
    "bad_time",
    "bad_encoding",
    "unsupported_version",
    "quota_exceeded",
)


class Misuse(StreamsError):
    """A user's mistake: one clear line, exit code 2."""


class Failed(StreamsError):
    """Something that was asked for could not be done: one clear line, exit code 1."""


class ObjectStoreError(Failed):
    """The object store can't be reached, refuses, or failed: one clear line, no secret."""


class ObjectMissing(ObjectStoreError):
    """There is no object of this name."""


class ApiError(StreamsError):
    """An answer of the HTTP API that is not a success.

    Parameters
    ----------
    status : int
        HTTP status.
    code : str
        ``code`` of the problem document (RFC 9457).
    detail : str
        For a person.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail


class StoreLost(StreamsError):
    """The store's producer or database can't be trusted any more; only a take-over helps."""


class StoreDamaged(StoreLost):
    """The local database has bytes that are wrong: the next take-over begins without it."""


class PartitionRed(StreamsError):
    """Going on would skip or repeat records silently; the message says what a person can do."""
