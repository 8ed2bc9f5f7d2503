# back_to_a_leader_below_the_promise, where what n3 promised is gone with the run of its agent: the
# next one knows only the record that it is shown.
world 4 nodes, quorum
acknowledgements 1
writers 4, every 50 ms
plant promise_in_memory_only
choices seeds 1 to 10
lasts 8 s

at 1 s an agent is cut off, its PostgreSQL is not: n1 for 6 s
replication alone is cut: n2, n3 for 6 s
replication alone is cut: n3, n4 for 6 s
await a leader other than n1 within 10 s
the store shows an older record: n3 for 4 s
agents hear nothing of one: n3 for 4 s
kill -9 of an agent: n3
expect I2 broken
