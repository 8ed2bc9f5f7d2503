# PROTOCOL 5.3, nothing below the promise: n3 has answered the fence of term 2, and its position was
# counted. Its agent starts anew and is shown the record of term 1, whose leader still has its grant
# and has not heard of term 2. If n3 followed that leader, it would acknowledge for it what the
# leader of term 2 lacks.
world 4 nodes, quorum
acknowledgements 1
writers 4, every 50 ms
plant promise_ignored
choices seeds 1 to 20
lasts 8 s

at 1 s an agent is cut off, its PostgreSQL is not: n1 for 6 s
replication alone is cut: n2, n3 for 6 s
replication alone is cut: n3, n4 for 6 s
await a leader other than n1 within 10 s
the store shows an older record: n3 for 4 s
agents hear nothing of one: n3 for 4 s
kill -9 of an agent: n3
expect I2 broken
