"""Errors in the service's own words, and the one place where an `ApiError` becomes a reply.

Texts that public records show are quoted as they are; the others are marked `assumed` in their facts, and no
test pins them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from dbx_emulator._api.messages import Headers, Reply
from dbx_emulator._core.errors import ApiError

__all__ = [
    "JSON_HEADERS",
    "endpoint_not_found",
    "error_reply",
    "invalid_parameter",
    "invalid_token",
    "malformed_request",
    "no_credentials",
    "not_implemented",
    "permission_denied",
    "request_too_large",
    "run_does_not_exist",
]

JSON_HEADERS: Headers = ((b"content-type", b"application/json"),)


def error_reply(error: ApiError, *, request_id: str, headers: Headers = ()) -> Reply:
    """Return the reply that says what is wrong.

    Errors of the Jobs service carry one RequestInfo; those of the authentication layer have an integer
    `error_code` and no details.

    Source: [errors.request-info] measured: databricks/dbt-databricks#1009
    Source: [errors.auth-integer-code] measured: databricks/databricks-sdk-go#873
    """
    body: dict[str, Any] = {"error_code": error.error_code, "message": error.message}
    if isinstance(error.error_code, str):
        body["details"] = [
            {
                "@type": "type.googleapis.com/google.rpc.RequestInfo",
                "request_id": request_id,
                "serving_data": "",
            }
        ]
    return Reply(error.status_code, msgspec.json.encode(body), (*JSON_HEADERS, *headers))


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


def invalid_token() -> ApiError:
    """Return a 403 for a token that opens nothing here.

    Source: [auth.invalid-token] measured: databricks/databricks-sdk-go#917
    """
    return ApiError(403, 403, "Invalid access token.")


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
