"""Errors in the service's own words, and the one place where an `ApiError` becomes a reply.

Texts that public records show are quoted as they are; the others are marked `assumed` in their facts, and no
test pins them.
"""

from __future__ import annotations

from collections.abc import Callable

from dbx_emulator._api.dialects import DIALECTS
from dbx_emulator._api.messages import Headers, Reply
from dbx_emulator._core.errors import ApiError

__all__ = [
    "HTML_HEADERS",
    "JSON_HEADERS",
    "JSON_LINES_HEADERS",
    "SVG_HEADERS",
    "TEXT_HEADERS",
    "concurrency_exceeded",
    "conflict",
    "endpoint_not_found",
    "error_reply",
    "invalid_parameter",
    "invalid_state",
    "invalid_token",
    "job_does_not_exist",
    "malformed_request",
    "no_credentials",
    "not_implemented",
    "permission_denied",
    "rate_exceeded",
    "request_too_large",
    "run_does_not_exist",
]

JSON_HEADERS: Headers = ((b"content-type", b"application/json"),)
JSON_LINES_HEADERS: Headers = ((b"content-type", b"application/jsonl"),)
HTML_HEADERS: Headers = ((b"content-type", b"text/html; charset=utf-8"),)
TEXT_HEADERS: Headers = ((b"content-type", b"text/plain; charset=utf-8"),)
SVG_HEADERS: Headers = ((b"content-type", b"image/svg+xml"),)


def error_reply(error: ApiError, *, request_id: str, path: str = "") -> Reply:
    """Return the reply that says what is wrong.

    Args:
        error: What is wrong.
        request_id: The id that the Jobs service gives the request.
        path: What was called, which pages name.
    """
    content_type, body = DIALECTS[error.dialect](error, request_id=request_id, path=path)
    first: Headers = ((b"content-type", content_type),) if content_type else ()
    lines = tuple((name.lower().encode(), value.encode()) for name, value in error.headers.items())
    return Reply(error.status_code, body, (*first, *lines), error_code=error.error_code)


def invalid_parameter(message: str) -> ApiError:
    """Return a 400 about a value that cannot be."""
    return ApiError(400, "INVALID_PARAMETER_VALUE", message)


def malformed_request(message: str) -> ApiError:
    """Return a 400 about a body that is no request.

    Source: [errors.malformed-prefix] measured: databrickslabs/dbx#182
    """
    return ApiError(400, "MALFORMED_REQUEST", f"Could not parse request object: {message}")


def run_does_not_exist(run_id: int) -> ApiError:
    """Return a 400 about a run that is not there.

    Source: [runs.get.unknown-run] sdk: databricks-sdk-py, databricks/sdk/errors/overrides.py
    """
    return invalid_parameter(f"Run {run_id} does not exist.")


def no_credentials() -> ApiError:
    """Return a 401 for a request without a token.

    Source: [auth.no-credentials] measured: public records of the gateway's answer
    """
    return ApiError(401, 401, "Credential was not sent or was of an unsupported type for this API.")


def invalid_token(refusal: str = "403-json") -> ApiError:
    """Return the error for a token that opens nothing here.

    Args:
        refusal: How it is refused, one of `REFUSALS` of the tokens.
    """
    return _TOKEN_REFUSALS[refusal]()


def _invalid_token() -> ApiError:
    """Return what today's gateways say to a personal token.

    Source: [auth.invalid-token] measured: databricks/databricks-sdk-go#917
    Source: [auth.reason-phrase] measured: databricks/databricks-sdk-go#873
    """
    message = "Invalid access token."
    return ApiError(403, 403, message, headers={"X-Databricks-Reason-Phrase": message})


def _invalid_token_page() -> ApiError:
    """Return what older gateways said.

    Source: [auth.invalid-token-page] measured: DataThirstLtd/databricks.vsts.tools#26
    """
    return ApiError(403, 403, "Invalid access token.", dialect="html")


def _expired_token() -> ApiError:
    """Return a 401 for a token that had its time.

    Source: [auth.expired-token] assumed: that it may be a 401 is reported, its text is not
    """
    return ApiError(401, 401, "The access token has expired.")


def _expiring_token() -> ApiError:
    """Return what a token of OAuth is told that has less than 30 seconds left.

    Source: [auth.token-expiring] measured: databricks/databricks-vscode#583
    """
    return ApiError(403, 403, "Token is expiring within 30 seconds. (token expired)")


#: For each way of refusing a token the error.
_TOKEN_REFUSALS: dict[str, Callable[[], ApiError]] = {
    "403-json": _invalid_token,
    "403-html": _invalid_token_page,
    "401-json": _expired_token,
    "expiring": _expiring_token,
}


def rate_exceeded(retry_after_seconds: int | None) -> ApiError:
    """Return a 429 for a call above the rate of its endpoint.

    Source: [errors.rate-limit] documented: Databricks REST API reference, error codes (429 REQUEST_LIMIT_EXCEEDED)
    """
    headers = {} if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}
    message = "Too many requests. Please wait a moment and try again."
    return ApiError(429, "REQUEST_LIMIT_EXCEEDED", message, headers=headers)


def concurrency_exceeded(workspace_id: int, limit: int) -> ApiError:
    """Return a 429 for a call while too many others are under way.

    Source: [errors.concurrent-limit] measured: databrickslabs/ucx#401
    """
    message = f"Workspace {workspace_id} exceeded the concurrent limit of {limit} requests."
    return ApiError(429, "REQUEST_LIMIT_EXCEEDED", message)


def permission_denied(user_name: str, job_id: int) -> ApiError:
    """Return a 403 about a run that the caller may not see.

    Source: [auth.permission-denied] measured: databricks/cli, libs/testserver/jobs.go
    """
    return ApiError(
        403,
        "PERMISSION_DENIED",
        f"User {user_name} does not have View or Admin or Manage Run or Owner permissions on job {job_id}",
    )


def endpoint_not_found(method: str, path: str) -> ApiError:
    """Return a 404 for a path or method that the service does not have.

    Source: [errors.endpoint-not-found] assumed: commonly reported as `No API found for 'POST /…'`
    """
    return ApiError(404, "ENDPOINT_NOT_FOUND", f"No API found for '{method} {path}'")


def not_implemented(what: str, remedy: str) -> ApiError:
    """Return a 501 for what the real service has and this emulator does not."""
    return ApiError(501, "NOT_IMPLEMENTED", f"dbx-emulator does not emulate {what}. {remedy}")


def request_too_large(limit: int) -> ApiError:
    """Return a 413 for a body above the limit.

    Source: [errors.request-too-large] assumed: the limit of 10 MB is documented, its answer is not
    """
    return ApiError(413, "BAD_REQUEST", f"The request body is larger than the limit of {limit} bytes.")


def job_does_not_exist(job_id: int) -> ApiError:
    """Return a 400 about a job that is not there.

    Source: [jobs.get.unknown-job] measured: apache/airflow#27837
    """
    return invalid_parameter(f"Job {job_id} does not exist.")


def invalid_state(message: str) -> ApiError:
    """Return a 400 about something that cannot be done to a run as it is now.

    Source: [errors.invalid-state] assumed: that such calls are errors is documented, their codes are not
    """
    return ApiError(400, "INVALID_STATE", message)


def conflict(message: str) -> ApiError:
    """Return a 409 about a change that somebody else has overtaken.

    Source: [errors.conflict] sdk: databricks-sdk-py, databricks/sdk/errors/platform.py (ResourceConflict)
    """
    return ApiError(409, "RESOURCE_CONFLICT", message)
