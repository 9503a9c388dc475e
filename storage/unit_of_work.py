"""Units of work: one transaction with every repository on it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from models.domain.exchange import ExchangeRepository, MarketRepository
from models.domain.ports import (
    AssetRepository,
    DecisionRepository,
    HandOverRepository,
    HealthRepository,
    IdempotencyRepository,
    JobRepository,
    KeyRepository,
    NoticeRepository,
    PlanRepository,
    RoutineRepository,
)
from storage.assets import SqlAssetRepository
from storage.database import Database, Transaction
from storage.decisions import SqlDecisionRepository
from storage.exchange import SqlExchangeRepository
from storage.faults import StorageMisuse
from storage.hand_overs import SqlHandOverRepository
from storage.health import SqlHealthRepository
from storage.idempotency import SqlIdempotencyRepository
from storage.jobs import SqlJobRepository
from storage.keys import SqlKeyRepository
from storage.market import SqlMarketRepository
from storage.notices import SqlNoticeRepository
from storage.plans import SqlPlanRepository
from storage.routines import SqlRoutineRepository


def system_time() -> datetime:
    """Return system time, aware UTC."""
    return datetime.now(UTC)


class SqlUnitOfWork:
    """`UnitOfWork` on SQL: use it once, in a `with` block.

    For reading, everything inside sees one unchanging state. For writing, the database's one write lock is held
    from the start of the block, so keep the block short and call nothing outside the database in it.
    """

    assets: AssetRepository
    jobs: JobRepository
    plans: PlanRepository
    decisions: DecisionRepository
    idempotency: IdempotencyRepository
    keys: KeyRepository
    health: HealthRepository
    market: MarketRepository
    exchange: ExchangeRepository
    hand_overs: HandOverRepository
    notices: NoticeRepository
    routines: RoutineRepository

    def __init__(
        self, database: Database, *, write: bool, system_now: Callable[[], datetime]
    ) -> None:
        """Prepare a unit of work; nothing is begun before the `with` block."""
        self._database = database
        self._write = write
        self._system_now = system_now
        self._transaction: Transaction | None = None

    def __enter__(self) -> Self:
        """Begin."""
        if self._transaction is not None:
            raise StorageMisuse("a unit of work is used once; ask the factory for another")
        transaction = self._database.begin(write=self._write)
        self._transaction = transaction
        self.assets = SqlAssetRepository(transaction)
        self.jobs = SqlJobRepository(transaction, self._system_now)
        self.plans = SqlPlanRepository(transaction)
        self.decisions = SqlDecisionRepository(transaction, self._system_now)
        self.idempotency = SqlIdempotencyRepository(transaction)
        self.keys = SqlKeyRepository(transaction)
        self.health = SqlHealthRepository(transaction)
        self.market = SqlMarketRepository(transaction)
        self.exchange = SqlExchangeRepository(transaction)
        self.hand_overs = SqlHandOverRepository(transaction)
        self.notices = SqlNoticeRepository(transaction)
        self.routines = SqlRoutineRepository(transaction)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Roll back unless committed, and give the connection back."""
        if self._transaction is not None:
            self._transaction.close()

    def commit(self) -> None:
        """Make it durable; the unit of work is over afterwards."""
        if self._transaction is None:
            raise StorageMisuse("a unit of work begins with its `with` block")
        self._transaction.commit()


class SqlUnitOfWorkFactory:
    """`UnitOfWorkFactory` on SQL."""

    def __init__(
        self, database: Database, *, system_now: Callable[[], datetime] = system_time
    ) -> None:
        """Make units of work on a database.

        Args:
            database: Where they work.
            system_now: System time, which stamps audit records; not the planning clock.
        """
        self._database = database
        self._system_now = system_now

    def __call__(self, *, write: bool = False) -> SqlUnitOfWork:
        """Return a new unit of work; `write=True` for anything that changes rows."""
        return SqlUnitOfWork(self._database, write=write, system_now=self._system_now)
