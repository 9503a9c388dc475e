"""The HTTP edge: REST under `/api`, pages, problem details, access and security headers.

`create_flask(services, settings)` is the one way in; a handler parses, calls one use case and presents.
"""

from __future__ import annotations

from web.factory import create_bare, create_flask
from web.settings import WebSettings

__all__ = ["WebSettings", "create_bare", "create_flask"]
