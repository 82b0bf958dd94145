"""How the body of an error can look: the service, its older parts and the proxies before it each have a way."""

from __future__ import annotations

from html import escape
from typing import Any, Protocol

import msgspec

from dbx_emulator._core.errors import ApiError

__all__ = ["DIALECTS"]


class _Dialect(Protocol):
    """Returns the content type and the body that say what is wrong."""

    def __call__(self, error: ApiError, *, request_id: str, path: str) -> tuple[bytes, bytes]: ...


def _json(error: ApiError, *, request_id: str, path: str) -> tuple[bytes, bytes]:  # noqa: ARG001 - as all
    """Say it as the Jobs service does.

    Its errors carry one RequestInfo; those of the authentication layer have an integer `error_code` and no
    details.

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
    return b"application/json", msgspec.json.encode(body)


def _error(error: ApiError, **_: str) -> tuple[bytes, bytes]:
    """Say it as API 1.2 does.

    Source: [errors.dialect-error] sdk: databricks-sdk-py, databricks/sdk/errors/deserializer.py (API 1.2 errors)
    """
    return b"application/json", msgspec.json.encode({"error": error.message})


def _oauth(error: ApiError, **_: str) -> tuple[bytes, bytes]:
    """Say it as the endpoint for tokens does.

    Source: [errors.dialect-oauth] documented: RFC 6749, section 5.2; the SDK's parser reads both fields
    """
    body = {"error": error.error_code, "error_description": error.message}
    return b"application/json", msgspec.json.encode(body)


def _scim(error: ApiError, **_: str) -> tuple[bytes, bytes]:
    """Say it as the SCIM API does.

    Source: [errors.dialect-scim] documented: RFC 7644, section 3.12; the SDK's parser reads `detail` and `status`
    """
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "detail": error.message,
        "status": str(error.status_code),
    }
    return b"application/scim+json", msgspec.json.encode(body)


def _text(error: ApiError, **_: str) -> tuple[bytes, bytes]:
    """Say it as `CODE: message`.

    Source: [errors.dialect-text] sdk: databricks-sdk-py, databricks/sdk/errors/deserializer.py (string errors)
    """
    return b"text/plain; charset=utf-8", f"{error.error_code}: {error.message}".encode()


def _html(error: ApiError, *, request_id: str, path: str) -> tuple[bytes, bytes]:  # noqa: ARG001 - as all
    """Say it as a page of an older gateway.

    Source: [errors.dialect-html] measured: DataThirstLtd/databricks.vsts.tools#26
    """
    message = escape(error.message)
    page = (
        f"<html>\n<head>\n<title>Error {error.status_code} {message}</title>\n</head>\n"
        f"<body><h2>HTTP ERROR {error.status_code}</h2>\n"
        f"<p>Problem accessing {escape(path)}. Reason:\n<pre>    {message}</pre></p>\n</body>\n</html>\n"
    )
    return b"text/html; charset=utf-8", page.encode()


def _empty(error: ApiError, **_: str) -> tuple[bytes, bytes]:
    del error  # a proxy that says nothing does not say what is wrong either
    return b"", b""


def _binary(error: ApiError, **_: str) -> tuple[bytes, bytes]:
    # Neither byte of the mark can begin a character of UTF-8.
    return b"application/json", b"\xff\xfe" + error.message.encode("utf-16-le")


def _json_list(error: ApiError, **_: str) -> tuple[bytes, bytes]:
    body = [{"error_code": error.error_code, "message": error.message}]
    return b"application/json", msgspec.json.encode(body)


#: Dialect → what writes it.
DIALECTS: dict[str, _Dialect] = {
    "json": _json,
    "error": _error,
    "scim": _scim,
    "text": _text,
    "html": _html,
    "empty": _empty,
    "binary": _binary,
    "json_list": _json_list,
    "oauth": _oauth,
}
