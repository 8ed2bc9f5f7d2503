"""SQLAlchemy as its documentation recommends: a pool with pool_pre_ping, nothing recycled by age."""

import psycopg2
import sqlalchemy
from sqlalchemy import event, text

from loop import main

INSERT = text("insert into endpoint_rows (key) values (:key)")
COUNT = text("select count(*) from endpoint_rows where key = :key")
_engines = {}


def engine_of(dsn, result):
    """One engine, and so one pool, for all threads."""
    if dsn not in _engines:
        _engines[dsn] = sqlalchemy.create_engine(
            "postgresql+psycopg2://", creator=lambda: psycopg2.connect(dsn), pool_pre_ping=True,
            pool_size=2, pool_recycle=-1)
        event.listen(_engines[dsn], "connect", lambda *_: result.connected())
    return _engines[dsn]


class Session:
    def __init__(self, dsn, result):
        self.engine = engine_of(dsn, result)
        self.alone = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    def transaction(self, key):
        with self.engine.begin() as connection:
            connection.execute(INSERT, {"key": key})
            return connection.execute(COUNT, {"key": key}).scalar_one()

    def insert(self, key):
        with self.alone.connect() as connection:
            connection.execute(INSERT, {"key": key})

    def count(self, key):
        with self.alone.connect() as connection:
            return connection.execute(COUNT, {"key": key}).scalar_one()

    def sqlstate(self, error):
        return getattr(getattr(error, "orig", None), "pgcode", None)

    def recover(self):
        """The pool does it."""


if __name__ == "__main__":
    main(Session)
