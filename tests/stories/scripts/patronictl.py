#!/usr/bin/python3
"""The real patronictl before a cluster of Evergres: its members come from /cluster of one node
instead of Patroni's store, everything else is Patroni's code.

  patronictl.py http://HOST:PORT -c CONFIG COMMAND …
"""

import json
import sys
import urllib.request

from patroni import ctl
from patroni.dcs import Cluster, ClusterConfig, Leader, Member


class Endpoint:
    """What patronictl asks of a store."""

    loop_wait = 10

    def __init__(self, url):
        self.url = url

    def _get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def get_cluster(self):
        document = self._get("/cluster")
        members = []
        for member in document["members"]:
            data = {"state": member["state"], "api_url": member.get("api_url"),
                    "conn_kwargs": {"host": member.get("host"), "port": member.get("port")},
                    **{name: member[name] for name in ("timeline", "pending_restart", "tags")
                       if name in member}}
            members.append(Member(0, member["name"], "0", data))
        leaders = [member["name"] for member in document["members"] if member["role"] == "leader"]
        leader = next((Leader(0, "0", m) for m in members if m.name in leaders), None)
        config = ClusterConfig(1, self._get("/config"), 1)
        return Cluster.empty()._replace(initialize="0", config=config, leader=leader,
                                        members=members)

    def manual_failover(self, *_arguments, **_options):
        sys.exit("patronictl wanted to write to the store itself")


if __name__ == "__main__":
    endpoint = Endpoint(sys.argv.pop(1))
    ctl.get_dcs = lambda *_arguments: endpoint
    ctl.ctl()
