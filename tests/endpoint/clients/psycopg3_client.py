"""psycopg 3: the extended protocol, statements prepared from their fifth use on."""

import psycopg

from loop import COUNT, INSERT, main


class Session:
    def __init__(self, dsn, result):
        self.dsn, self.result, self.connection = dsn, result, None

    def open(self):
        if self.connection is None:
            self.connection = psycopg.connect(self.dsn, autocommit=True)
            self.result.connected()
        return self.connection

    def transaction(self, key):
        connection = self.open()
        with connection.transaction():
            connection.execute(INSERT, (key,))
            return connection.execute(COUNT, (key,)).fetchone()[0]

    def insert(self, key):
        self.open().execute(INSERT, (key,))

    def count(self, key):
        return self.open().execute(COUNT, (key,)).fetchone()[0]

    def sqlstate(self, error):
        return getattr(error, "sqlstate", None)

    def recover(self):
        if self.connection is not None and self.connection.broken:
            self.connection = None


if __name__ == "__main__":
    main(Session)
