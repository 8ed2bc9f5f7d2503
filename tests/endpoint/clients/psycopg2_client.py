"""psycopg2: simple queries, one connection a thread, kept as long as it lives."""

import psycopg2

from loop import COUNT, INSERT, main


class Session:
    def __init__(self, dsn, result):
        self.dsn, self.result, self.connection = dsn, result, None

    def cursor(self, autocommit):
        if self.connection is None:
            self.connection = psycopg2.connect(self.dsn)
            self.result.connected()
        self.connection.autocommit = autocommit
        return self.connection.cursor()

    def transaction(self, key):
        with self.cursor(autocommit=False) as cursor:
            cursor.execute(INSERT, (key,))
            cursor.execute(COUNT, (key,))
            seen = cursor.fetchone()[0]
        self.connection.commit()
        return seen

    def insert(self, key):
        with self.cursor(autocommit=True) as cursor:
            cursor.execute(INSERT, (key,))

    def count(self, key):
        with self.cursor(autocommit=True) as cursor:
            cursor.execute(COUNT, (key,))
            return cursor.fetchone()[0]

    def sqlstate(self, error):
        return getattr(error, "pgcode", None)

    def recover(self):
        try:
            if self.connection is not None:
                self.connection.rollback()
        except psycopg2.Error:
            self.connection = None


if __name__ == "__main__":
    main(Session)
