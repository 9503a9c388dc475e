"""Translate what the database driver throws into the product's own errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from models.domain.errors import Conflict, InvalidRequest, SourceUnavailable

RETRY_AFTER_SECONDS = 2
"""When a caller should try again after a lock time-out or a lost connection. [s]"""


class StorageMisuse(RuntimeError):
    """Our own mistake: a write in a unit of work begun for reading, a missing table, a broken statement."""


@contextmanager
def translated() -> Iterator[None]:
    """Re-raise driver errors as errors of `models.domain.errors`.

    Raises:
        Conflict: A unique, foreign-key or check constraint was broken.
        InvalidRequest: A value does not fit its column (too large, or text no database can hold).
        SourceUnavailable: The database is locked, unreachable, or ended the transaction.
        StorageMisuse: Anything else, which only a mistake of ours can cause.
    """
    try:
        yield
    except exc.IntegrityError as error:
        raise Conflict(f"the change collides with what is stored: {_cause(error)}") from error
    except exc.DataError as error:
        raise InvalidRequest(f"a value cannot be stored: {_cause(error)}") from error
    except (UnicodeEncodeError, OverflowError) as error:
        raise InvalidRequest(f"a value cannot be stored: {error}") from error
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
        if "readonly database" in str(error) or "no such" in str(error):
            raise StorageMisuse(_cause(error)) from error
        raise busy(_cause(error)) from error
    except exc.SQLAlchemyError as error:
        raise StorageMisuse(_cause(error)) from error


def busy(why: str) -> SourceUnavailable:
    """Return the error of a database that is locked or unreachable."""
    return SourceUnavailable(
        f"the database did not answer in time or is busy: {why}",
        source="database",
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )


def _cause(error: Exception) -> str:
    """Return the driver's own first line, without the statement and its values."""
    driver = getattr(error, "orig", None) or error
    lines = str(driver).strip().splitlines()
    return lines[0] if lines else type(driver).__name__
