"""Open a database by its URL and run transactions on it.

SQLite runs in WAL mode with `synchronous=FULL`: what was committed survives a power cut. A transaction for writing
takes the one write lock at its start on both databases (`BEGIN IMMEDIATE`; the row of `plan_state` on
PostgreSQL), so writers queue in one order, never deadlock, and behave alike on both. SQLite lets its writers look again
after ever longer pauses, which starves some of them: here the threads of a process take turns, and between processes
whoever waits looks again every few milliseconds.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    CursorResult,
    Engine,
    Row,
    RowMapping,
    create_engine,
    event,
    literal_column,
    make_url,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.sql import Executable

from models.domain.errors import InvalidRequest
from storage.faults import StorageMisuse, busy, translated

LOCK_TIMEOUT_SECONDS = 30
"""How long a writer waits for other threads of its process, and then for other processes, before it gives up. [s]"""

LOOK_AGAIN_MS = 3
"""How long SQLite itself waits for a writer of another process before we look again. [ms]"""

CONNECT_TIMEOUT_SECONDS = 5
"""How long opening a connection to PostgreSQL may take. [s]"""

IN_LIST_LIMIT = 5_000
"""How many values one `IN (…)` list may hold; longer lists are sent in parts."""

WRITE_OPTION = "halfhour_write"
"""Execution option of a connection whose next transaction writes."""


class Transaction:
    """One open transaction: executes statements until it is committed or closed."""

    def __init__(
        self, connection: Connection, *, is_write: bool, ended: Callable[[], None] | None = None
    ) -> None:
        """Take over a connection on which a transaction has begun; `ended` is called once when it is over."""
        self._connection = connection
        self._ended = ended
        self.is_write = is_write
        self.dialect: str = connection.dialect.name
        self._is_over = False

    def execute(
        self,
        statement: Executable,
        parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> CursorResult[Any]:
        """Run a statement (once per set of parameters) and return its result."""
        if self._is_over:
            raise StorageMisuse("this unit of work is over; begin a new one")
        with translated():
            return self._connection.execute(statement, parameters)

    def rows(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Row[Any]]:
        """Return every row of a query."""
        result = self.execute(statement, parameters)
        with translated():
            return result.all()

    def mappings(self, statement: Executable) -> Sequence[RowMapping]:
        """Return every row of a query by column name."""
        result = self.execute(statement)
        with translated():
            return result.mappings().all()

    def first(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Row[Any] | None:
        """Return the first row of a query, or None."""
        result = self.execute(statement, parameters)
        with translated():
            return result.first()

    def stream(self, statement: Executable) -> Iterator[Row[Any]]:
        """Yield the rows of a query one by one; stop early by closing the iterator."""
        result = self.execute(statement)
        try:
            with translated():
                yield from result
        finally:
            result.close()

    def insert(self, table: Any) -> Any:
        """Return an `INSERT` that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
        return postgresql.insert(table) if self.dialect == "postgresql" else sqlite.insert(table)

    def upsert(self, table: Any, keys: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows, or replace the columns given where a row with the same keys exists."""
        if not rows:
            return
        statement = self.insert(table)
        replaced = {name: statement.excluded[name] for name in rows[0] if name not in keys}
        self.execute(
            statement.on_conflict_do_update(index_elements=list(keys), set_=replaced), list(rows)
        )

    def insert_if_absent(
        self, table: Any, keys: Sequence[str] | None, row: Mapping[str, Any]
    ) -> bool:
        """Insert a row; return False, and change nothing, where one with the same keys exists.

        Args:
            table: Where to insert.
            keys: Columns of the constraint that may collide; None means any unique constraint.
            row: The columns by name.
        """
        statement = self.insert(table).values(dict(row))
        statement = statement.on_conflict_do_nothing(index_elements=keys and list(keys))
        return self.first(statement.returning(literal_column("1"))) is not None

    def commit(self) -> None:
        """Make everything durable; the transaction is over afterwards."""
        if self._is_over:
            raise StorageMisuse("this unit of work is over; begin a new one")
        self._is_over = True
        with translated():
            self._connection.commit()
        self._end()

    def close(self) -> None:
        """Roll back unless committed, and give the connection back."""
        self._is_over = True
        try:
            with translated():
                self._connection.close()
        finally:
            self._end()

    def _end(self) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended()


class Database:
    """Holds the engine (connection pool) of one database."""

    def __init__(self, engine: Engine) -> None:
        """Hold an engine made by `open_database`."""
        self.engine = engine
        self._turn: threading.Lock | None = (
            threading.Lock() if engine.dialect.name == "sqlite" else None
        )
        """Held by the one thread of this process that writes; PostgreSQL has a queue of its own."""
        _forget_after_fork(self)

    @property
    def dialect(self) -> str:
        """Return `sqlite` or `postgresql`."""
        return self.engine.dialect.name

    def begin(self, *, write: bool = False) -> Transaction:
        """Begin a transaction; the caller closes it. A reader sees one unchanging state throughout."""
        turn = self._turn if write else None
        if turn is not None and not turn.acquire(timeout=LOCK_TIMEOUT_SECONDS):
            raise busy("another thread is writing")
        try:
            connection = self._begun(write=write)
        except BaseException:
            if turn is not None:
                turn.release()
            raise
        ended = None if turn is None else turn.release
        return Transaction(connection, is_write=write, ended=ended)

    def _begun(self, *, write: bool) -> Connection:
        with translated():
            connection = self.engine.connect()
            try:
                options: dict[str, Any] = {WRITE_OPTION: write}
                if self.dialect == "postgresql" and not write:
                    options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
                connection = connection.execution_options(**options)
                connection.begin()
                if self.dialect == "postgresql" and write:
                    connection.execute(_LOCK_WRITERS)
            except BaseException:
                connection.close()
                raise
        return connection

    @contextmanager
    def transaction(self, *, write: bool = False) -> Iterator[Transaction]:
        """Run a block in a transaction that commits at its end and rolls back on an error."""
        transaction = self.begin(write=write)
        try:
            yield transaction
            transaction.commit()
        finally:
            transaction.close()

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()

    def forget_connections(self) -> None:
        """Leave connections and turns to the process this one was forked from."""
        self.engine.dispose(close=False)
        if self._turn is not None:
            self._turn = threading.Lock()


_LOCK_WRITERS = text("SELECT version FROM plan_state WHERE id = 1 FOR UPDATE")


def open_database(url: str) -> Database:
    """Open a database.

    Args:
        url: `sqlite:///path` or `postgresql://user@host/name` (`postgres://` and
            `postgresql+psycopg://` mean the same). The folder of a SQLite file is made where it is missing.

    Raises:
        InvalidRequest: If the URL names another kind of database, or SQLite in memory.
    """
    return Database(make_engine(normal_url(url)))


def normal_url(url: str) -> URL:
    """Return the URL with its driver named.

    Raises:
        InvalidRequest: If the URL names another kind of database, or SQLite in memory.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidRequest(
            "the database URL cannot be read; write sqlite:///file or postgresql://user@host/name"
        ) from error
    if parsed.drivername in {"postgres", "postgresql", "postgresql+psycopg"}:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in {"sqlite", "sqlite+pysqlite"}:
        if parsed.database in {None, "", ":memory:"}:
            raise InvalidRequest(
                "SQLite in memory is not shared between threads and processes; name a file, "
                "like sqlite:///halfhour.sqlite3"
            )
        return parsed.set(drivername="sqlite+pysqlite")
    raise InvalidRequest(
        f"{parsed.drivername!r} databases are not supported; use sqlite:/// or postgresql://"
    )


def make_engine(url: URL) -> Engine:
    """Return an engine with this product's settings for SQLite or PostgreSQL."""
    if url.drivername.startswith("sqlite"):
        return _sqlite_engine(url)
    arguments: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT_SECONDS}
    if "options" not in url.query:
        arguments["options"] = f"-c timezone=UTC -c lock_timeout={LOCK_TIMEOUT_SECONDS}s"
    return create_engine(
        url,
        pool_size=5,
        max_overflow=15,
        pool_timeout=LOCK_TIMEOUT_SECONDS,
        pool_recycle=1_800,
        pool_pre_ping=True,
        connect_args=arguments,
    )


def _sqlite_engine(url: URL) -> Engine:
    assert url.database is not None
    if not url.database.startswith("file:"):
        Path(url.database).expanduser().resolve().parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        pool_size=5,
        max_overflow=60,
        pool_timeout=LOCK_TIMEOUT_SECONDS,
        connect_args={"timeout": LOCK_TIMEOUT_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is sent by `begin` below, not by the driver
        _enter_wal(connection)
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "cache_size=-16000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        write = bool(connection.get_execution_options().get(WRITE_OPTION))
        driver = connection.connection.driver_connection
        assert driver is not None
        try:
            driver.execute(f"PRAGMA query_only={'OFF' if write else 'ON'}")
            if write:
                _begin_writing(driver)
            else:
                driver.execute("BEGIN")
        except sqlite3.Error as error:
            raise DBAPIError.instance("BEGIN", None, error, sqlite3.Error) from error

    return engine


def _begin_writing(connection: sqlite3.Connection) -> None:
    """Take the write lock of the file, looking again every few milliseconds while another process holds it."""
    give_up_at = time.monotonic() + LOCK_TIMEOUT_SECONDS
    connection.execute(f"PRAGMA busy_timeout={LOOK_AGAIN_MS}")
    try:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not is_busy or time.monotonic() > give_up_at:
                    raise
            else:
                return
    finally:
        connection.execute(f"PRAGMA busy_timeout={int(LOCK_TIMEOUT_SECONDS * 1000)}")


def _enter_wal(connection: Any) -> None:
    """Switch a SQLite file to WAL; the very first switch does not wait for locks by itself."""
    give_up_at = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except connection.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up_at:
                raise
            time.sleep(0.02)
        else:
            return


def _forget_after_fork(database: Database) -> None:
    """Give a forked child (a gunicorn worker) a pool and turns of its own instead of its parent's sockets, files and lock."""
    held = weakref.ref(database)

    def forget() -> None:
        database = held()
        if database is not None:
            database.forget_connections()

    os.register_at_fork(after_in_child=forget)
