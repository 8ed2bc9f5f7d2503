"""Django with CONN_MAX_AGE None: one connection a thread for ever, checked by nobody but Django at
the end of each request. What a web server would send at its ends is sent here."""

import sys

import django
from django.conf import settings
from django.core import signals
from django.db import connection, transaction
from django.db.backends.signals import connection_created

from loop import COUNT, INSERT, main


def configure(dsn):
    """Django takes names that libpq takes too, so that the words of the DSN only find their place."""
    words = dict(word.split("=", 1) for word in dsn.split())
    settings.configure(USE_TZ=True, DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql", "HOST": words.pop("host"),
        "PORT": words.pop("port"), "NAME": words.pop("dbname"), "USER": words.pop("user"),
        "PASSWORD": words.pop("password", ""), "CONN_MAX_AGE": None, "OPTIONS": words}})
    django.setup()


class Session:
    def __init__(self, _dsn, result):
        if not connection_created.receivers:
            connection_created.connect(lambda **_: result.connected(), weak=False)

    def transaction(self, key):
        signals.request_started.send(sender=Session)
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(INSERT, (key,))
            seen = self.look(key)
        signals.request_finished.send(sender=Session)
        return seen

    def insert(self, key):
        signals.request_started.send(sender=Session)
        with connection.cursor() as cursor:
            cursor.execute(INSERT, (key,))

    def count(self, key):
        seen = self.look(key)
        signals.request_finished.send(sender=Session)
        return seen

    def look(self, key):
        with connection.cursor() as cursor:
            cursor.execute(COUNT, (key,))
            return cursor.fetchone()[0]

    def sqlstate(self, error):
        return getattr(error.__cause__, "pgcode", None)

    def recover(self):
        signals.request_finished.send(sender=Session)


if __name__ == "__main__":
    configure(sys.argv[1])
    main(Session)
